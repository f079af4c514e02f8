// Package ctrlruntime is larder behind controller-runtime's interfaces, for operators
// that are written against sigs.k8s.io/controller-runtime. Each of these is one line,
// and moves a manager on its own, except that the client needs the cache:
//
//	cache.Options{NewInformer: ctrlruntime.NewInformer}                      // our informers in their cache
//	manager.Options{NewCache: ctrlruntime.NewCache}                          // our cache
//	manager.Options{NewCache: ctrlruntime.NewCache, NewClient: ctrlruntime.NewClient} // a client that reads its own writes
//	controller.Options{NewQueue: ctrlruntime.NewQueue[reconcile.Request]}    // our queue
//
// # The cache
//
// [NewCache] takes controller-runtime's options, with the same precedence, and what
// it returns reads like controller-runtime's: copies by default, that say what kind
// they are. It holds objects packed, as the API server sent them, in a tenth of the memory
// or less, and beside that decoded what is read most, 64 MiB for all kinds together:
// [Options] tunes that. It differs in this:
//
//   - A kind that cannot be synced, for want of permission or of its definition, fails
//     a Get or a List within seconds, with the cause, and works by itself once there
//     is nothing in the way; so does one whose definition has gone. [Readyz] and
//     [Cache].Unhealthy tell which kinds it is.
//   - List sorts by key, honours Limit and Continue and sets the resourceVersion. A page
//     costs a look at the key of each object that the indexes find, and a copy of those
//     on it.
//   - Labels and any number of fields are looked up in indexes.
//   - IndexField with the same function again is no error.
//   - Typed, unstructured and metadata-only reads of a kind are of one store, and made of
//     what the server sent. Everything is listed once more only where so far nobody wanted
//     more than metadata, where a kind that is not packed is wanted unstructured, or where
//     the server has fields that the Go type lacks; a read in the new form waits for it. The
//     form that was asked for first is kept decoded, the others are decoded at every read.
//     A transform is applied to what is stored, and again to what is made of it for another
//     form: it has to be one that can be applied twice.
//   - When the last event handler of a kind is removed its watch stops. A read starts
//     it again; with ReaderFailOnMissingInformer it takes GetInformer.
//   - A handler that is more than 1024 changes behind is told the latest state of an object
//     instead of every one on the way; deletions are never left out.
//
// With Options.NewInformer set it is controller-runtime's own cache, over those informers.
//
// # The client
//
// [NewClient] has every read wait for the writes before it, of every sort: see
// [ClientOptions.NewClient]. A read that would be older is never returned: it waits, or is
// a [*StaleError] when the time is up.
package ctrlruntime
