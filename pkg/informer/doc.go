// Package informer keeps a local copy of the objects of one Kubernetes resource:
// listed once, then kept up to date by a watch, and read without asking the API
// server again.
//
// An [Informer] is typed by the objects it holds. [New] makes one from a
// rest.Config, for a Go type of the scheme (*corev1.Pod), for
// *unstructured.Unstructured or, when the metadata is enough, for
// *metav1.PartialObjectMetadata. [NewFromListerWatcher] makes one from anything
// that lists and watches.
//
// # Life
//
// New talks to no server. [Informer].Start does, for as long as its context
// lasts; it fits a controller-runtime manager as a Runnable. Whatever goes wrong
// meanwhile (a server that is down, a missing permission, a resource that is not
// there yet) is retried with a growing delay and heals by itself, and
// [Informer].Err tells the latest of it. [Informer].WaitSynced waits for the
// first list and does not hang on what waiting cannot cure: it returns a
// [*SyncError] with the cause. After Start has returned the reads still work, on
// what was known last.
//
// # Reading
//
// Get, List, All and ByIndex take no lock that a writer could hold for long and
// copy no object. Objects are shared with every other reader: treat them as
// immutable, and change a DeepCopy.
//
// A read shows what the server has told, which may be less than what the program
// has just written. [Informer].WaitFor waits until the copy has caught up with
// the resourceVersion that the write returned.
//
// # Being told of changes
//
// A [Handler] is called with every change, from a goroutine of its own: a slow
// handler delays nobody else. [Informer].Watch delivers the same as events on a
// channel. Both begin with what is there, and both coalesce the changes of an
// object when they are further behind than their buffer: they may miss a state
// that was soon overtaken, never the latest one, and the old object they are
// given is always the one they were given before.
package informer
