// Package core is the one informer that all doors are faces of: package informer, typed;
// compat/clientgo, with client-go's interfaces; and compat/ctrlruntime, with those of
// controller-runtime. It knows no types, only objects.
//
//	rest.Config ──► requests ─┐
//	                          ├─► source ─► Reflector ─► sink ─► Objects ─► Cursor ─► Registration ─► a face's handler
//	ListerWatcher ────────────┘      │      (client-go)   │
//	                                 └────► Status ◄──────┘
//
// A source lists and watches (source.go, requests.go, resource.go): an API server in one of
// three forms, packed or decoded, or whatever a ListerWatcher has. client-go's Reflector
// drives it, and writes into a sink (sink.go), which transforms, packs and refuses objects.
// The object store behind it (objects.go) holds them as they are (plain.go) or packed
// (packed.go, packing.go); what it shows is values (value.go), which are decoded when somebody
// looks, in the form that is asked for (form.go). Handlers read the store's changes, each at
// its own pace (handlers.go, registration.go). How far all this has come, and what is in the
// way, is in the status (status.go), and in the metrics (metrics.go).
//
// A face translates names, types and semantics, and keeps no state of its own about objects.
package core
