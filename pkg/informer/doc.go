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
// # Memory
//
// An informer of [New] holds its objects packed, in a tenth of the memory or less,
// and those that are read often decoded beside that, within [Options].Budget. A small
// cache is thus read as if nothing were packed, and a large one stays small: a read of
// an object that is not kept decoded costs some 20 microseconds, and is a candidate
// for being kept. With [AllPacked] every read decodes; with [Plain] nothing is packed,
// which is best where most objects are read all the time and memory is plenty.
// [Informer].Stats and the metrics tell what is held. A handler that needs no more than
// the key of what changed costs no decoding: see AddKeyHandler.
//
// # Reading
//
// Get, List, ListSelected, All and ByIndex take no lock that a writer could hold for long.
// Objects may be shared with other readers: treat them as immutable, or take one of
// your own with GetCopy.
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
//
// # Metrics
//
// With [Options].Registerer an informer has these metrics while it runs:
//
//	larder_informer_objects{informer}                      objects in the informer
//	larder_informer_packed_objects{informer}               objects that are held packed
//	larder_informer_packed_bytes{informer}                 memory of the packed objects
//	larder_informer_dictionary_bytes{informer}             memory of what they share
//	larder_informer_decoded_objects{informer}              objects kept decoded beside that
//	larder_informer_decoded_bytes{informer}                memory of those, estimated
//	larder_informer_decodes_total{informer}                times that an object was decoded
//	larder_informer_synced{informer}                       0 or 1: it has its first list
//	larder_informer_resource_version{informer}             how far it has come; bookmarks count
//	larder_informer_lists_total{informer}                  the first list, and relists
//	larder_informer_watches_total{informer}                the first watch, and restarts
//	larder_informer_errors_total{informer}                 attempts to list and watch that failed
//	larder_informer_handler_calls_total{informer,handler}  calls that have returned
//	larder_informer_handler_lag_changes{informer,handler}  changes that the handler is behind
//
// There are as many series as there are names of informers and of handlers that
// run. A resource_version that stays where it is for minutes is a watch that
// delivers nothing, not even bookmarks; a lag that grows is a handler that is too
// slow for what changes, and gets to see fewer states than there were.
package informer
