package gomap_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
	"github.com/larder-dev/larder/pkg/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	storetest.Run(t, func(opts store.StoreOptions[storetest.Value]) store.Store[storetest.Value] {
		return gomap.NewMemStore(opts)
	})
}
