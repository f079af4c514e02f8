// Package storetest is the conformance suite for implementations of
// [store.Store]. A backend's test is one line:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(opts store.StoreOptions[storetest.Value]) store.Store[storetest.Value] {
//			return mystore.New(opts)
//		})
//	}
//
// Run it with -race. The randomised parts print their seed; set STORETEST_SEED to
// run them again with the same one. The suite takes no longer than the store
// does: it never sleeps, and it fails by the deadline of go test where a store
// does not deliver what it has to.
package storetest
