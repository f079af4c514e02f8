package informer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/larder-dev/larder/pkg/informer"
)

var (
	errRefused   = fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	pods         = schema.GroupResource{Resource: "pods"}
	errForbidden = apierrors.NewForbidden(pods, "", errors.New("no rights"))
)

// What waiting does not cure is told at once, with the cause; the informer heals
// nevertheless when the cause goes away.
func TestSyncErrorIsPromptAndHeals(t *testing.T) {
	for name, cause := range map[string]error{
		"401":          apierrors.NewUnauthorized("who are you"),
		"403":          errForbidden,
		"404":          apierrors.NewNotFound(pods, ""),
		"400":          apierrors.NewBadRequest("field label not supported"),
		"405":          apierrors.NewMethodNotSupported(pods, "list"),
		"no such kind": &meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "Widget"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, server *server) {
				server.put("a", "1")
				server.fail(cause, cause)
				inf := newConfigMaps(t, server, func(o *informer.Options[*corev1.ConfigMap]) { o.Name = "things" })
				start(t, inf)

				began := time.Now()
				for what, err := range map[string]error{
					"WaitSynced": inf.WaitSynced(t.Context()),
					"WaitFor":    inf.WaitFor(t.Context(), "1"),
				} {
					var sync *informer.SyncError
					if !errors.As(err, &sync) || !errors.Is(err, cause) || !strings.Contains(err.Error(), `"things"`) {
						t.Errorf("%s: %v", what, err)
					}
				}
				if took := time.Since(began); took > 0 {
					t.Errorf("it took %v", took)
				}
				if err := inf.Err(); !errors.Is(err, cause) {
					t.Errorf("Err: %v", err)
				}

				server.fail(nil, nil)
				<-inf.Synced()
				synctest.Wait()
				if err := inf.Err(); err != nil {
					t.Errorf("Err when healed: %v", err)
				}
				expectSame(t, "healed", stored(inf), server.content())
			})
		})
	}
}

// A right to list but not to watch is a SyncError of WaitFor, for the copy grows
// stale; WaitSynced is content with the list.
func TestWatchForbidden(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.fail(nil, errForbidden)
		inf := newConfigMaps(t, server, nil)
		start(t, inf)
		synctest.Wait()
		if err := inf.WaitSynced(t.Context()); err != nil {
			t.Errorf("WaitSynced: %v", err)
		}
		if err := inf.WaitFor(t.Context(), "1000"); !apierrors.IsForbidden(err) {
			t.Errorf("WaitFor: %v", err)
		}
	})
}

// A server that is down is waited for, as long as the caller's context allows;
// its error then carries the cause.
func TestServerDown(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		server.fail(errRefused, errRefused)
		inf := newConfigMaps(t, server, nil)
		start(t, inf)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := inf.WaitSynced(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("WaitSynced: %v", err)
		}
		server.fail(nil, nil)
		if err := inf.WaitSynced(t.Context()); err != nil {
			t.Errorf("WaitSynced when it is up: %v", err)
		}

		// A reflector that streams lists retries without a word.
		server.fail(errRefused, errRefused)
		time.Sleep(time.Minute)
		if err := inf.Err(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Err when it is down again: %v", err)
		}
		server.fail(nil, nil)
		server.put("a", "2")
		time.Sleep(2 * time.Minute)
		expectSame(t, "up again", stored(inf), server.content())
		if err := inf.Err(); err != nil {
			t.Errorf("Err when it is up again: %v", err)
		}
	})
}

// Whoever waits for an informer that nobody starts, or that has ended, is told so.
func TestWaitInVain(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		inf := newConfigMaps(t, server, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := inf.WaitSynced(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, informer.ErrNotStarted) {
			t.Errorf("not started: %v", err)
		}

		server.fail(errRefused, errRefused)
		stop := start(t, inf)
		waited := make(chan error, 1)
		go func() { waited <- inf.WaitSynced(t.Context()) }()
		synctest.Wait()
		stop()
		if err := <-waited; !errors.Is(err, informer.ErrStopped) {
			t.Errorf("stopped: %v", err)
		}
		select {
		case <-inf.Synced():
			t.Error("Synced is closed")
		default:
		}
	})
}

// An object that cannot be stored is not stepped over: it is named, the watermark
// does not move past it, and everything is there once it can be stored.
func TestRefusedObject(t *testing.T) {
	errBroken := errors.New("broken")
	failing := map[string]func(o *informer.Options[*corev1.ConfigMap], broken func(*corev1.ConfigMap) bool){
		"transform fails": func(o *informer.Options[*corev1.ConfigMap], broken func(*corev1.ConfigMap) bool) {
			o.Transform = func(obj *corev1.ConfigMap) (*corev1.ConfigMap, error) {
				if broken(obj) {
					return nil, errBroken
				}
				return obj, nil
			}
		},
		"transform panics": func(o *informer.Options[*corev1.ConfigMap], broken func(*corev1.ConfigMap) bool) {
			o.Transform = func(obj *corev1.ConfigMap) (*corev1.ConfigMap, error) {
				if broken(obj) {
					panic("broken")
				}
				return obj, nil
			}
		},
		"transform returns nil": func(o *informer.Options[*corev1.ConfigMap], broken func(*corev1.ConfigMap) bool) {
			o.Transform = func(obj *corev1.ConfigMap) (*corev1.ConfigMap, error) {
				if broken(obj) {
					return nil, nil
				}
				return obj, nil
			}
		},
		"transform renames": func(o *informer.Options[*corev1.ConfigMap], broken func(*corev1.ConfigMap) bool) {
			o.Transform = func(obj *corev1.ConfigMap) (*corev1.ConfigMap, error) {
				if broken(obj) {
					obj.Name = "other"
				}
				return obj, nil
			}
		},
		"index panics": func(o *informer.Options[*corev1.ConfigMap], broken func(*corev1.ConfigMap) bool) {
			o.Indexes = map[string]informer.IndexFunc[*corev1.ConfigMap]{"i": func(obj *corev1.ConfigMap) []string {
				if broken(obj) {
					panic("broken")
				}
				return nil
			}}
		},
	}
	for name, apply := range failing {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, server *server) {
				mended := make(chan struct{})
				broken := func(obj *corev1.ConfigMap) bool {
					select {
					case <-mended:
						return false
					default:
						return obj.Data["value"] == "bad"
					}
				}
				server.put("a", "good")
				inf := newConfigMaps(t, server, func(o *informer.Options[*corev1.ConfigMap]) { apply(o, broken) })
				start(t, inf)
				synctest.Wait()

				before := inf.ResourceVersion()
				server.put("b", "bad")
				server.put("a", "better")
				for range 3 {
					synctest.Wait()
					err := inf.WaitFor(t.Context(), "3")
					var object *informer.ObjectError
					if !errors.As(err, &object) || object.Key != "default/b" {
						t.Errorf("WaitFor: %v", err)
					}
					if got := inf.ResourceVersion(); got != before {
						t.Errorf("the watermark went from %s to %s", before, got)
					}
					time.Sleep(time.Hour)
				}
				close(mended)
				time.Sleep(time.Hour)
				expectSame(t, "mended", stored(inf), server.content())
				if err := inf.Err(); err != nil {
					t.Errorf("Err when mended: %v", err)
				}
			})
		})
	}
}

// Objects of another type than the informer's are named, not dropped.
func TestWrongType(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		inf, err := informer.NewFromListerWatcher(server, informer.Options[*corev1.Secret]{Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		start(t, inf)
		var object *informer.ObjectError
		if err := inf.WaitSynced(t.Context()); !errors.As(err, &object) || !strings.Contains(err.Error(), "*v1.ConfigMap") {
			t.Errorf("WaitSynced: %v", err)
		}
	})
}
