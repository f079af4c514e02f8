// Package workqueue has the queue between the events of a controller and its workers: one structure that
// is client-go's rate limiting queue and controller-runtime's priority queue at once, and is fair if asked.
//
// # What it promises
//
// An item is what its equality says: two items that are equal are one.
//
//   - An item that is added while it is pending, ready or delayed, stays one: with the higher one of the
//     priorities and the earlier one of the times.
//   - An item is never in two workers at a time. If it is added while it is processed, it comes once
//     more, after Done.
//   - Of the items that are ready, those of the highest priority come first, and among those the one that
//     has been there for longest. With Options.FairBy, keys take turns within a priority; with
//     Options.AgeAfter, no item waits for ever.
//   - Nothing is lost silently. A shutdown hands out what is ready, a drain waits for it; Options.OnDrop gets
//     what will not be processed, Drain and Pending tell what is left.
//
// # What it does not
//
// Fairness counts items, not the time that they take: a tenant whose items are slow can still hold all
// workers. Capacity binds only those who ask with TryAdd. An add while the item is pending does not leave
// a trace: what has to be known about each event belongs elsewhere, and is looked up by the item.
//
// # Cost
//
// An add, a get and a done together take one look-up each and no allocation, once the queue has seen as
// many items as it holds. The queue runs no goroutine: one timer makes delayed items ready, another one
// keeps the metrics of work in progress while there is some.
//
// # Beside its peers
//
// The test table in semantics_test.go runs on all three queues and lists what differs:
//
//   - client-go's queue keeps a delay and an add of the same item apart, so that the item comes twice. Here,
//     as in controller-runtime, the earlier one is the only one.
//   - An item that is added while it is processed keeps its place in the order of arrival, and counts in
//     Len, as in controller-runtime; in client-go it arrives when it is done.
//   - An item that stops being delayed because it is added arrives with that add, behind those that were
//     ready before; in controller-runtime it had arrived when it was delayed.
//   - After a shutdown what is ready is handed out, as in client-go; in controller-runtime it is lost.
//   - A drain waits for what is ready as well as for what is processed. client-go's waits for the latter
//     only, controller-runtime's for nothing.
//   - Done with an item that is not being processed does nothing. In client-go it may queue the item twice.
package workqueue
