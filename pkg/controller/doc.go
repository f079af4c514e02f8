// Package controller drives reconcilers: it turns the changes that informers
// see into requests, queues them, and has workers bring the world in line with
// each.
//
//	changes of objects --Source--> requests --queue--> workers --> Reconcile
//
// A [Controller] takes the same parts that a controller-runtime controller
// does: a [reconcile.TypedReconciler], predicates, event handlers and sources.
// A reconciler written for controller-runtime runs here unchanged, either
// inside a controller-runtime manager (mgr.Add) or without one ([Run]).
//
// # What a reconciler can rely on
//
//   - Level, not edge: after the last change of an object, each request that the
//     object maps to is reconciled at least once, by a call that began after the
//     change was in the informer's store. How many changes a call stands for is
//     not told.
//   - Never two calls at the same time for equal requests, whatever the number
//     of workers.
//   - A call that fails is repeated, with a back-off that grows from 5 ms to 1000 s
//     for each request unless [Options].Queue says otherwise. A panic is a
//     failure like any other: it ends neither the worker nor the process. An error
//     made by [reconcile.TerminalError] is not retried.
//   - What is there when the controller starts, and what a resync repeats, has a
//     lower priority ([handler.LowPriority]) than what changes.
//   - The context given to Reconcile carries a logger (controller-runtime's
//     log.FromContext) that names the controller, the object and the call; the
//     call's name alone is [ReconcileID].
//
// It cannot rely on one call for each change, on an order between different
// requests, or on a cache that shows its own last write: for that there is
// WaitFor of package informer.
//
// # Start and end
//
// [Controller.Start] begins to listen to the sources, waits until each of them
// has handed in what was there at first, and only then starts the workers. If a
// source cannot be synced, Start returns a [*SyncError] that names it, as soon as
// the server's refusal is known. Informers are started by whoever owns them,
// since they may be shared: by a manager or by [Run].
//
// When its context ends the sources go silent first, then the queue is shut
// down, then the workers end; Start returns after the last of them. Calls of
// Reconcile that are under way see their context cancelled at once, unless
// [Options].DrainTimeout gives them, and the requests that are ready, time to
// finish.
//
// # Metrics
//
// A controller counts under the names that controller-runtime's controllers use
// (controller_runtime_reconcile_total and so on, workqueue_depth and so on), so
// that dashboards and alerts go on working. In a program that has both kinds of
// controllers the two share the collectors and differ in the label "controller".
package controller
