package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/larder-dev/larder/examples/controller/mirror"
)

// patience is how long an expectation may take to come true. It takes milliseconds.
const patience = 20 * time.Second

// A story is a sequence of steps on a cluster in which the mirror runs.
type story struct {
	client   kubernetes.Interface
	observer *observer
	out      io.Writer

	written string // the resourceVersion of the last write to a ConfigMap

	met     int
	failed  []string
	slowest time.Duration
}

// A step does something, and expects the mirror to react.
type step struct {
	happens string
	do      func(ctx context.Context) error
	expects string
	holds   func() error // nil, or what is amiss
}

// tell goes through the steps and sums up. It returns an error if an expectation was
// not met, if a step could not be done, or if ctx ended.
func (s *story) tell(ctx context.Context) error {
	begun := time.Now()
	if err := s.observer.synced(ctx); err != nil {
		return err
	}
	steps := slices.Concat(s.beginning(), s.namespaces(), s.obstacles(), s.ending())
	for i, step := range steps {
		fmt.Fprintf(s.out, "%2d. %s\n", i+1, step.happens)
		if err := s.play(ctx, step); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.out, "\n%d of %d expectations met in %s; the slowest took %s.\n", s.met, len(steps), took(begun), rounded(s.slowest))
	if len(s.failed) > 0 {
		return fmt.Errorf("not met: %s", strings.Join(s.failed, "; "))
	}
	return nil
}

// play does one step and waits for what it expects.
func (s *story) play(ctx context.Context, step step) error {
	begun := time.Now()
	if err := step.do(ctx); err != nil {
		return fmt.Errorf("%s: %w", step.happens, err)
	}
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// What was done may not be visible yet, and the state before it be what is expected.
	if s.written != "" {
		if err := s.observer.configMaps.WaitFor(patient, s.written); err != nil {
			return err
		}
	}
	err := s.observer.wait(patient, step.holds)
	elapsed := time.Since(begun)
	switch {
	case err == nil:
		s.met++
		s.slowest = max(s.slowest, elapsed)
		fmt.Fprintf(s.out, "    ok: %s, after %s\n", step.expects, rounded(elapsed))
	case ctx.Err() != nil:
		return ctx.Err() // interrupted, which is not the mirror's fault
	case errors.Is(err, context.DeadlineExceeded):
		s.failed = append(s.failed, step.expects)
		fmt.Fprintf(s.out, "    FAILED: %s: %v\n", step.expects, err)
	default:
		return err
	}
	return nil
}

// The stage: a source, and namespaces that are teams or not.
const (
	shop       = "shop"
	sourceName = "settings"
	teamRed    = "team-red"
	teamBlue   = "team-blue"
	teamGreen  = "team-green"
	warehouse  = "warehouse"
	closing    = "closing"
	catalogues = 100
)

func (s *story) beginning() []step {
	var deleted types.UID
	return []step{{
		happens: "There are two teams' namespaces, and ConfigMap shop/settings is annotated larder.dev/mirror-to=team.",
		do: func(ctx context.Context) error {
			return errors.Join(
				s.createNamespace(ctx, shop, nil),
				s.createNamespace(ctx, warehouse, nil),
				s.createNamespace(ctx, teamRed, team),
				s.createNamespace(ctx, teamBlue, team),
				s.createConfigMap(ctx, shop, sourceName, map[string]string{mirror.AnnotationTo: "team"}, map[string]string{"colour": "white"}),
			)
		},
		expects: "both teams have a copy, nobody else has, and the source says so",
		holds:   s.mirrored("2 copies", teamBlue, teamRed),
	}, {
		happens: "The source changes.",
		do: func(ctx context.Context) error {
			return s.setData(ctx, shop, sourceName, "colour", "black")
		},
		expects: "both copies have changed",
		holds:   s.mirrored("2 copies", teamBlue, teamRed),
	}, {
		happens: "Somebody edits the copy of team-red.",
		do: func(ctx context.Context) error {
			return s.setData(ctx, teamRed, sourceName, "colour", "pink")
		},
		expects: "the edit is undone",
		holds:   s.mirrored("2 copies", teamBlue, teamRed),
	}, {
		happens: "Somebody deletes the copy of team-blue.",
		do: func(ctx context.Context) error {
			deleted = s.uid(teamBlue, sourceName)
			return s.deleteConfigMap(ctx, teamBlue, sourceName)
		},
		expects: "there is another",
		holds: all(s.mirrored("2 copies", teamBlue, teamRed), func() error {
			if s.uid(teamBlue, sourceName) == deleted {
				return errors.New("the old one is still there")
			}
			return nil
		}),
	}}
}

func (s *story) namespaces() []step {
	return []step{{
		happens: "A third team gets a namespace.",
		do: func(ctx context.Context) error {
			return s.createNamespace(ctx, teamGreen, team)
		},
		expects: "it has a copy",
		holds:   s.mirrored("3 copies", teamBlue, teamGreen, teamRed),
	}, {
		happens: "Namespace team-blue loses its label, and warehouse gets it.",
		do: func(ctx context.Context) error {
			return errors.Join(s.label(ctx, teamBlue, nil), s.label(ctx, warehouse, new("stock")))
		},
		expects: "the copy has moved",
		holds:   s.mirrored("3 copies", teamGreen, teamRed, warehouse),
	}, {
		happens: "The source is to go to stock only: its selector becomes team=stock.",
		do: func(ctx context.Context) error {
			return s.selects(ctx, "team=stock")
		},
		expects: "only the warehouse's copy is left",
		holds:   s.mirrored("1 copy", warehouse),
	}, {
		happens: "Namespace closing is being deleted, and only then gets a label that matches. The selector becomes team again.",
		do: func(ctx context.Context) error {
			return errors.Join(
				s.createNamespace(ctx, closing, nil),
				s.deleteNamespace(ctx, closing),
				s.label(ctx, closing, new("late")),
				s.selects(ctx, "team"),
			)
		},
		expects: "the teams have their copies again, and the namespace that goes away is left alone",
		holds:   s.mirrored("3 copies", teamGreen, teamRed, warehouse),
	}}
}

func (s *story) obstacles() []step {
	own := map[string]string{"owner": "team-blue"}
	return []step{{
		happens: "Namespace team-blue makes a ConfigMap called settings itself, and gets its label back.",
		do: func(ctx context.Context) error {
			return errors.Join(s.createConfigMap(ctx, teamBlue, sourceName, nil, own), s.label(ctx, teamBlue, new("blue")))
		},
		expects: "the source reports that the name is taken there, and team-blue's own data is untouched",
		holds: all(
			s.mirrored("3 copies; none in team-blue", teamGreen, teamRed, warehouse),
			s.hasEvent(mirror.ReasonNameTaken),
			s.hasData(teamBlue, sourceName, own),
		),
	}, {
		happens: "Namespace team-blue deletes its own ConfigMap.",
		do: func(ctx context.Context) error {
			return s.deleteConfigMap(ctx, teamBlue, sourceName)
		},
		expects: "the copy takes its place",
		holds:   s.mirrored("4 copies", teamBlue, teamGreen, teamRed, warehouse),
	}, {
		happens: `The selector is mistyped: "team in red".`,
		do: func(ctx context.Context) error {
			return s.selects(ctx, "team in red")
		},
		expects: "the source says what to do, in its status and in an Event, and the copies stay",
		holds: all(
			s.mirrored("invalid selector", teamBlue, teamGreen, teamRed, warehouse),
			s.hasEvent(mirror.ReasonInvalidSelector),
		),
	}, {
		happens: `The selector is corrected: "team in (red, blue)".`,
		do: func(ctx context.Context) error {
			return errors.Join(
				s.label(ctx, teamRed, new("red")),
				s.selects(ctx, "team in (red, blue)"),
			)
		},
		expects: "the copies follow",
		holds:   s.mirrored("2 copies", teamBlue, teamRed),
	}}
}

func (s *story) ending() []step {
	catalogue := func(i int) string { return fmt.Sprintf("catalogue-%d", i) }
	return []step{{
		happens: fmt.Sprintf("%d ConfigMaps appear in a row, for all four namespaces.", catalogues),
		do: func(ctx context.Context) error {
			for i := range catalogues {
				err := s.createConfigMap(ctx, shop, catalogue(i), map[string]string{mirror.AnnotationTo: "team"}, map[string]string{"page": fmt.Sprint(i)})
				if err != nil {
					return err
				}
			}
			return nil
		},
		expects: fmt.Sprintf("%d copies are there", 4*catalogues),
		holds: func() error {
			if n := len(s.copies("catalogue-")); n != 4*catalogues {
				return fmt.Errorf("there are %d copies", n)
			}
			return nil
		},
	}, {
		happens: "The annotation is taken off shop/settings.",
		do: func(ctx context.Context) error {
			return s.selects(ctx, "")
		},
		expects: "its copies are gone; finalizer and status too",
		holds: func() error {
			source, ok := s.observer.configMaps.Get(shop, sourceName)
			switch {
			case !ok:
				return errors.New("the source is gone too")
			case len(source.Finalizers) > 0 || source.Annotations[mirror.AnnotationStatus] != "":
				return fmt.Errorf("the source still has %v and %v", source.Finalizers, source.Annotations)
			}
			return s.noCopies(sourceName)
		},
	}, {
		happens: fmt.Sprintf("All %d catalogues are deleted.", catalogues),
		do: func(ctx context.Context) error {
			for i := range catalogues {
				if err := s.deleteConfigMap(ctx, shop, catalogue(i)); err != nil {
					return err
				}
			}
			return nil
		},
		expects: "their copies are gone, and only then the finalizers let them go",
		holds: func() error {
			for i := range catalogues {
				if _, still := s.observer.configMaps.Get(shop, catalogue(i)); still {
					return fmt.Errorf("%s is still there", catalogue(i))
				}
			}
			return s.noCopies("catalogue-")
		},
	}}
}

// copies returns the namespaces and names of the copies whose name has a prefix, in
// order.
func (s *story) copies(prefix string) []string {
	var keys []string
	for key, cm := range s.observer.configMaps.All() {
		if cm.Annotations[mirror.AnnotationOf] != "" && strings.HasPrefix(cm.Name, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (s *story) noCopies(prefix string) error {
	if left := s.copies(prefix); len(left) > 0 {
		return fmt.Errorf("copies are left: %v", left)
	}
	return nil
}

// mirrored tells whether the source of the story has a status that begins so, and
// copies with its data in exactly these namespaces.
func (s *story) mirrored(status string, namespaces ...string) func() error {
	return func() error {
		source, ok := s.observer.configMaps.Get(shop, sourceName)
		if !ok {
			return errors.New("there is no source")
		}
		var want []string
		for _, ns := range namespaces {
			want = append(want, ns+"/"+sourceName)
		}
		if got := s.copies(sourceName); !slices.Equal(got, want) {
			return fmt.Errorf("the copies are %v", got)
		}
		for _, ns := range namespaces {
			if err := s.hasData(ns, sourceName, source.Data)(); err != nil {
				return err
			}
		}
		if got := source.Annotations[mirror.AnnotationStatus]; got != status && !strings.HasPrefix(got, status) {
			return fmt.Errorf("the status is %q", got)
		}
		return nil
	}
}

// uid returns the UID of a ConfigMap, or nothing if there is none.
func (s *story) uid(namespace, name string) types.UID {
	cm, ok := s.observer.configMaps.Get(namespace, name)
	if !ok {
		return ""
	}
	return cm.UID
}

func (s *story) hasData(namespace, name string, want map[string]string) func() error {
	return func() error {
		cm, ok := s.observer.configMaps.Get(namespace, name)
		if !ok || !maps.Equal(cm.Data, want) {
			return fmt.Errorf("%s/%s is %v", namespace, name, cm)
		}
		return nil
	}
}

func (s *story) hasEvent(reason string) func() error {
	return func() error {
		for _, e := range s.observer.events.All() {
			if e.Reason == reason && e.Type == corev1.EventTypeWarning && e.Regarding.Name == sourceName {
				return nil
			}
		}
		return fmt.Errorf("there is no Event %s", reason)
	}
}

func all(conditions ...func() error) func() error {
	return func() error {
		for _, holds := range conditions {
			if err := holds(); err != nil {
				return err
			}
		}
		return nil
	}
}
