// Package clientgo is larder behind client-go's interfaces: factories of informers,
// a cache.SharedIndexInformer and a cache.Indexer over a gomap store, for programs
// that are written against k8s.io/client-go.
//
// # Factories
//
// One line moves a program that has a shared informer factory, and moves it back:
//
//	factory, err := clientgo.NewSharedInformerFactory(config, resync)
//
// It is an informers.SharedInformerFactory, with all of client-go's groups, listers and typed
// informers. [NewDynamicSharedInformerFactory] and [NewMetadataSharedInformerFactory] are
// those of the packages dynamicinformer and metadatainformer. They take a *rest.Config in
// place of a client, as they talk to the API server themselves: objects are packed from what
// it sends, in a tenth of the memory or less, and nothing is decoded before somebody reads
// it. [Options] has the same constructors for a namespace, selectors and the like.
//
//   - Limits of a rest.Config that sets QPS are those of the whole factory. Without, each
//     informer has the default ones.
//   - InformerFor has what its function makes, which is given a client of the configuration.
//     The informers of the groups, and of ForResource, are of this package, unless
//     InformerFor was called before for the type.
//   - Metadata says the kind that it is of, not PartialObjectMetadata.
//
// # Informers
//
// For informers that are made one by one the constructors have client-go's signatures:
//
//	informer := clientgo.NewSharedIndexInformer(lw, &corev1.Pod{}, resync, cache.Indexers{})
//
// Listers, client-go's own factories (by InformerFor), cache.WaitForCacheSync,
// cache.ShutDownEventHandler and whatever else takes the interfaces work with it.
// [ListWatch] makes lw of a typed client, which may be a fake one:
//
//	lw := clientgo.ListWatch(client.CoreV1().Pods(namespace))
//
// These constructors hold objects as they are, like client-go's. [Options] has the same
// constructors for an informer or indexer that holds them packed, and decodes what is read:
//
//	informer, err := clientgo.Options{Budget: informer.DefaultBudget}.NewSharedIndexInformer(lw, &corev1.Pod{}, resync, cache.Indexers{})
//
// # What is the same
//
// The engine of list and watch is client-go's Reflector. Keys, objects of any type,
// transforms, index functions, the rules of resync, isInInitialList, tombstones,
// watch error handlers and the mutation detector (KUBE_CACHE_MUTATION_DETECTOR) are
// as client-go has them. Objects are shared: treat them as immutable.
//
// # What is different
//
//   - Reads take no lock. A list by index copies nothing but the slice that the
//     interface asks for.
//   - A slow handler costs bounded memory. Each reads the store's log at its own
//     pace; one that is more than 1024 changes behind is told of the latest state
//     of an object instead of every one on the way. No deletion and no last state
//     is ever left out. [Handlers] and [Collector] tell how far behind it is.
//   - A handler is told what is written into the store, by whomever. With client-go
//     a program that writes into its informer's store goes unnoticed.
//   - After a relist the changes come in the order of the keys; client-go's come
//     deletions first.
//   - A resync begins when the handler has caught up, and two that are due at once
//     are one.
//   - An object that cannot be stored, because its transform or an index function
//     fails on it, is an [*informer.ObjectError] for the watch error handler, and is
//     tried again. client-go ends the process for an index function, and steps over
//     an object whose transform fails.
//   - Two reads of a packed object may return two of it. Otherwise the two forms tell the
//     same.
//   - Run returns soon after its context is done, also while it waits for a server
//     that is away.
package clientgo
