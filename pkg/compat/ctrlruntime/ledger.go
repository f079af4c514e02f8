package ctrlruntime

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/core"
)

// ledger is what writes have shown of a share's objects, as far as the share may not
// have come to it yet. A fact goes when it was waited for, or when the share is seen to
// have it.
type ledger struct {
	mu    sync.Mutex
	facts facts
	open  map[scope]int // writes that the server has not told the outcome of yet, with the count at that time
	count int           // of all that was taken in
}

// sweepAfter is how many facts are taken in until it is looked which of them the share
// has. Those of objects that nobody reads would stay otherwise.
const sweepAfter = 256

// note takes in a fact. One without a version that can be compared is of no use.
func (ns *namespaceCache) note(f *fact) {
	if !core.IsAtOrAfter(f.resourceVersion, f.resourceVersion) {
		return
	}
	l := &ns.ledger
	l.mu.Lock()
	if l.facts == nil {
		l.facts = facts{}
	}
	l.facts.put(f)
	l.count++
	sweep := l.count%sweepAfter == 0
	l.mu.Unlock()
	if sweep {
		for _, f := range ns.known(types.NamespacedName{}) {
			ns.settle(f)
		}
	}
}

// settle forgets a fact that the share is past, and tells whether it is.
func (ns *namespaceCache) settle(f *fact) bool {
	if !f.isPast(ns) {
		return false
	}
	l := &ns.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	var rest []*fact
	for _, has := range l.facts[f.NamespacedName] {
		if has != f {
			rest = append(rest, has)
		}
	}
	if l.facts[f.NamespacedName] = rest; len(rest) == 0 {
		delete(l.facts, f.NamespacedName)
	}
	return true
}

// known returns the facts about a read.
func (ns *namespaceCache) known(of types.NamespacedName) []*fact {
	ns.ledger.mu.Lock()
	defer ns.ledger.mu.Unlock()
	return ns.ledger.facts.about(of)
}

// wrote notes a write in a scope. answer is the object that it has made, or nil.
func (ns *namespaceCache) wrote(ctx context.Context, of scope, answer client.Object) {
	if only := ns.namespace; only != "" {
		if of.Namespace != "" && of.Namespace != only {
			return
		}
		of.Namespace = only
	}
	in, known := false, false
	if answer != nil && !isEnded(answer) {
		in, known = ns.selects(answer)
	}
	if !known {
		ns.ask(ctx, of)
		return
	}
	version := answer.GetResourceVersion()
	ns.note(&fact{
		scope:           of,
		resourceVersion: version,
		left:            map[types.NamespacedName]string{of.NamespacedName: version},
		outside:         !in,
	})
}

// ask notes what the server has in a scope after a write whose answer does not tell. If
// the server cannot be asked now, the first read that it is about asks once more.
func (ns *namespaceCache) ask(ctx context.Context, s scope) {
	if f, err := ns.learn(ctx, s); err == nil {
		ns.note(f)
		return
	}
	l := &ns.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[scope]int{}
	}
	l.count++
	l.open[s] = l.count
}

// askAgain asks what could not be asked and is about a read.
func (ns *namespaceCache) askAgain(ctx context.Context, of types.NamespacedName) error {
	l := &ns.ledger
	open := map[scope]int{}
	l.mu.Lock()
	for s, since := range l.open {
		if s.concerns(of) {
			open[s] = since
		}
	}
	l.mu.Unlock()
	for s, since := range open {
		f, err := ns.learn(ctx, s)
		if err != nil {
			return ns.stale(s.NamespacedName, err)
		}
		ns.note(f)
		l.mu.Lock()
		if l.open[s] == since {
			delete(l.open, s)
		}
		l.mu.Unlock()
	}
	return nil
}

// learn returns what the server has in a scope.
func (ns *namespaceCache) learn(ctx context.Context, s scope) (*fact, error) {
	selector, err := labels.Parse(s.labels)
	if err != nil {
		return nil, err
	}
	list, err := ns.listMetadata(ctx, s)
	if err != nil {
		return nil, err
	}
	f := &fact{scope: s, selector: selector, resourceVersion: list.ResourceVersion, left: map[types.NamespacedName]string{}}
	for i := range list.Items {
		f.left[client.ObjectKeyFromObject(&list.Items[i])] = list.Items[i].ResourceVersion
	}
	return f, nil
}

// catchUp waits until the share has the facts about a read in a form. It returns those
// that it may fall behind again: what is read has to be compared with them. The error is
// a [*StaleError]. The wait ends when ended is closed: what comes next is listed later
// than the writes.
func (ns *namespaceCache) catchUp(ctx context.Context, f core.Form, of types.NamespacedName, ended <-chan struct{}) (facts, error) {
	if err := ns.askAgain(ctx, of); err != nil {
		return nil, err
	}
	known := ns.known(of)
	if len(known) == 0 {
		return nil, nil
	}
	if err := ns.await(ctx, f, ended); err != nil {
		return nil, ns.stale(of, err)
	}
	pending := facts{}
	for _, fact := range known {
		for _, key := range fact.keys(ns, of) {
			if err := ns.comeTo(ctx, fact, key, ended); err != nil {
				return nil, ns.stale(key, err)
			}
		}
		if !ns.settle(fact) {
			pending.put(fact)
		}
	}
	return pending, nil
}

// stale says that a read was given up. It is no error that the share has ended.
func (ns *namespaceCache) stale(key types.NamespacedName, err error) error {
	if errors.Is(err, errEnded) {
		return nil
	}
	return &StaleError{Kind: ns.mapping.GroupVersionKind, Key: key, Err: err}
}

// comeTo waits until the share has a fact as far as it is about an object.
func (ns *namespaceCache) comeTo(ctx context.Context, f *fact, key types.NamespacedName, ended <-chan struct{}) error {
	for {
		changed, cause := ns.status().Changed(), ns.status().Err()
		if f.isIn(ns, key) {
			return nil
		}
		select {
		case <-changed:
		case <-ended:
			return errEnded
		case <-ctx.Done():
			if cause != nil {
				return fmt.Errorf("%w: %w", context.Cause(ctx), cause)
			}
			return context.Cause(ctx)
		}
	}
}
