package mirror

import (
	"context"
	"fmt"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
)

// eventLog writes Events to the API server while it runs, each from the background
// and without a promise that it gets there.
type eventLog struct {
	broadcaster events.EventBroadcaster
	recorder    events.EventRecorder
}

func newEventLog(client kubernetes.Interface) *eventLog {
	b := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	return &eventLog{broadcaster: b, recorder: b.NewRecorder(scheme.Scheme, Name)}
}

// Start writes until ctx ends.
func (l *eventLog) Start(ctx context.Context) error {
	defer l.broadcaster.Shutdown()
	if err := l.broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return fmt.Errorf("write Events: %w", err)
	}
	<-ctx.Done()
	return nil
}

// NeedLeaderElection tells a manager that Events may be written at any time.
func (l *eventLog) NeedLeaderElection() bool { return false }
