package mirror

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedeventsv1 "k8s.io/client-go/kubernetes/typed/events/v1"
)

const (
	// eventBacklog is how many Events may wait to be written before more are lost.
	eventBacklog = 1000
	// eventFlush is how long those may take that wait when the program ends.
	eventFlush = 2 * time.Second
	// maxNote is how long the API server allows a note to be, in bytes.
	maxNote = 1024
)

// eventLog writes Events about sources, one after the other and behind the back of
// the reconciler, who must not wait for them. Unlike client-go's recorder it ends
// when it is told to, after what is still to be written, and leaves no goroutine. It
// does not merge Events that repeat; the reconciler writes none without news.
type eventLog struct {
	client   typedeventsv1.EventsGetter
	logger   logr.Logger
	backlog  chan *eventsv1.Event
	instance string
}

func newEventLog(client typedeventsv1.EventsGetter, logger logr.Logger) *eventLog {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &eventLog{
		client:   client,
		logger:   logger,
		backlog:  make(chan *eventsv1.Event, eventBacklog),
		instance: Name + "-" + host,
	}
}

// add has an Event written. It does not block.
func (l *eventLog) add(about *corev1.ConfigMap, eventType, reason, note string) {
	now := time.Now()
	if len(note) > maxNote {
		note = note[:maxNote-3] + "..."
	}
	event := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:    about.Namespace,
			GenerateName: Name + "-",
		},
		EventTime:           metav1.NewMicroTime(now),
		ReportingController: "larder.dev/mirror",
		ReportingInstance:   l.instance,
		Action:              "Mirror",
		Type:                eventType,
		Reason:              reason,
		Note:                note,
		Regarding: corev1.ObjectReference{
			APIVersion:      "v1",
			Kind:            "ConfigMap",
			Namespace:       about.Namespace,
			Name:            about.Name,
			UID:             about.UID,
			ResourceVersion: about.ResourceVersion,
		},
	}
	select {
	case l.backlog <- event:
	default:
		l.logger.Info("An Event is lost, too many are waiting", "namespace", about.Namespace, "name", about.Name, "reason", reason)
	}
}

// Start writes until ctx ends and then what is still waiting.
func (l *eventLog) Start(ctx context.Context) error {
	for {
		select {
		case event := <-l.backlog:
			l.write(context.WithoutCancel(ctx), event)
		case <-ctx.Done():
			l.flush(context.WithoutCancel(ctx))
			return nil
		}
	}
}

// flush writes what is waiting, as far as it can be written in time.
func (l *eventLog) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, eventFlush)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case event := <-l.backlog:
			l.write(ctx, event)
		default:
			return
		}
	}
}

// write writes one Event, once: it is news, and soon old.
func (l *eventLog) write(ctx context.Context, event *eventsv1.Event) {
	ctx, cancel := context.WithTimeout(ctx, eventFlush)
	defer cancel()
	if _, err := l.client.Events(event.Namespace).Create(ctx, event, metav1.CreateOptions{FieldManager: Name}); err != nil {
		l.logger.Error(fmt.Errorf("write Event: %w", err), "An Event is lost", "namespace", event.Namespace, "name", event.Regarding.Name, "reason", event.Reason)
	}
}

// NeedLeaderElection tells a manager that Events may be written at any time, also
// those about the end of a leader's work.
func (l *eventLog) NeedLeaderElection() bool { return false }
