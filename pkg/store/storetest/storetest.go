package storetest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/larder-dev/larder/pkg/store"
)

// Value is what the suite stores.
type Value struct {
	N    int
	Text string
}

// Open returns a new, empty store.
type Open func(opts store.StoreOptions[Value]) store.Store[Value]

// Run runs the whole suite, each test on stores of its own.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"Read", testRead},
		{"Set", testSet},
		{"SetFn", testSetFn},
		{"SetAll", testSetAll},
		{"Replace", testReplace},
		{"Delete", testDelete},
		{"Validate", testValidate},
		{"Compare", testCompare},
		{"Misuse", testMisuse},
		{"Close", testClose},
		{"CallbackPanic", testCallbackPanic},
		{"BatchIsAtomic", testBatchIsAtomic},
		{"Kinds", testKinds},
		{"Watch", testWatch},
		{"WatchEventTypes", testWatchEventTypes},
		{"WatchOptions", testWatchOptions},
		{"WatchReplay", testWatchReplay},
		{"WatchReplayOfManyKeysIntoSmallBuffer", testWatchReplayMany},
		{"WatchWithinBufferIsExact", testWatchExact},
		{"WatchStalls", testWatchStalls},
		{"WatchStallsAcrossRebirth", testWatchRebirth},
		{"WatchWithoutCoalescing", testWatchWithoutCoalescing},
		{"WatchManyWatchers", testWatchMany},
		{"WatchConcurrentWriters", testWatchConcurrentWriters},
		{"WatchCancel", testWatchCancel},
		{"WatchClose", testWatchClose},
		{"WatchHandlerCallsBack", testWatchCallsBack},
		{"Model", testModel},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

// kind is the kind that tests use where one is enough.
const kind = "things"

// newStore opens a store and closes it when the test is over.
func newStore(t *testing.T, open Open) store.Store[Value] {
	t.Helper()
	s := open(store.StoreOptions[Value]{})
	t.Cleanup(func() { noError(t, s.Close()) })
	return s
}

// newRand returns a source of random numbers whose seed the test prints.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("STORETEST_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("STORETEST_SEED: %v", err)
		}
	}
	t.Logf("STORETEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// set writes a value and fails the test if it can't.
func set(t testing.TB, s store.Store[Value], key string, n int) {
	t.Helper()
	_, err := s.Set(kind, key, Value{N: n})
	noError(t, err)
}

// list returns the content of the kind.
func list(t testing.TB, s store.Store[Value]) map[string]Value {
	t.Helper()
	values, err := s.List(kind)
	noError(t, err)
	return values
}
