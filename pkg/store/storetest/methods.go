package storetest

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/store"
)

func testRead(t *testing.T, open Open) {
	s := newStore(t, open)
	_, ok, err := s.Get(kind, "a")
	noError(t, err)
	equal(t, "Get in an empty store", ok, false)
	n, err := s.Count(kind)
	noError(t, err)
	equal(t, "Count of an empty kind", n, 0)
	equal(t, "List of an empty kind", len(list(t, s)), 0)

	want := map[string]Value{"a": {N: 1}, "c": {N: 3}, "b": {N: 2}}
	noError(t, s.SetAll(kind, want))
	v, ok, err := s.Get(kind, "b")
	noError(t, err)
	equal(t, "Get finds", ok, true)
	equal(t, "Get", v, Value{N: 2})
	n, err = s.Count(kind)
	noError(t, err)
	equal(t, "Count", n, 3)
	sameMap(t, "List", list(t, s), want)

	keys, err := s.Keys(kind)
	noError(t, err)
	if !slices.Equal(keys, []string{"a", "b", "c"}) {
		t.Fatalf("Keys: got %v, want them sorted", keys)
	}
	values, err := s.Values(kind)
	noError(t, err)
	if !slices.Equal(values, []store.KeyValue[Value]{{Key: "a", Value: Value{N: 1}}, {Key: "b", Value: Value{N: 2}}, {Key: "c", Value: Value{N: 3}}}) {
		t.Fatalf("Values: got %v, want them sorted by key", values)
	}
	odd, err := s.List(kind,
		func(_ string, v Value) bool { return v.N%2 == 1 },
		func(key string, _ Value) bool { return key != "c" })
	noError(t, err)
	sameMap(t, "List with two filters", odd, map[string]Value{"a": {N: 1}})

	// What is returned is the caller's own.
	all, err := s.GetAll()
	noError(t, err)
	delete(all[kind], "a")
	delete(list(t, s), "a")
	sameMap(t, "List after its result was changed", list(t, s), want)
}

func testSet(t *testing.T, open Open) {
	s := newStore(t, open)
	created, err := s.Set(kind, "a", Value{N: 1})
	noError(t, err)
	equal(t, "created, for a new key", created, true)
	created, err = s.Set(kind, "a", Value{N: 2})
	noError(t, err)
	equal(t, "created, for an old key", created, false)
	v, _, err := s.Get(kind, "a")
	noError(t, err)
	equal(t, "value", v, Value{N: 2})
}

func testSetFn(t *testing.T, open Open) {
	s := newStore(t, open)
	add := func(v Value) (Value, error) { v.N++; return v, nil }
	_, err := s.SetFn(kind, "a", add)
	isError(t, "SetFn of an absent kind", err, store.ErrKeyNotFound)
	set(t, s, "b", 1)
	_, err = s.SetFn(kind, "a", add)
	isError(t, "SetFn of an absent key", err, store.ErrKeyNotFound)

	changed, err := s.SetFn(kind, "b", add)
	noError(t, err)
	equal(t, "changed", changed, true)
	changed, err = s.SetFn(kind, "b", func(v Value) (Value, error) { return v, nil })
	noError(t, err)
	equal(t, "changed, by a function that changes nothing", changed, false)
	failure := errors.New("no")
	changed, err = s.SetFn(kind, "b", func(v Value) (Value, error) { v.N = 100; return v, failure })
	isError(t, "SetFn whose function fails", err, failure)
	equal(t, "changed, by a function that fails", changed, false)

	// Read-modify-write is atomic: no increment is lost.
	const writers, times = 8, 200
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range times {
				if _, err := s.SetFn(kind, "b", add); err != nil {
					t.Errorf("SetFn: %v", err)
				}
			}
		})
	}
	wg.Wait()
	v, _, err := s.Get(kind, "b")
	noError(t, err)
	equal(t, "value after concurrent increments", v.N, 2+writers*times)
}

func testSetAll(t *testing.T, open Open) {
	s := newStore(t, open)
	set(t, s, "kept", 1)
	set(t, s, "same", 2)
	w := watch(t, s)
	noError(t, s.SetAll(kind, map[string]Value{"z": {N: 5}, "same": {N: 2}, "a": {N: 4}}))
	noError(t, s.SetAll(kind, nil))
	w.expect("create a", "create z")
	sameMap(t, "List", list(t, s), map[string]Value{"kept": {N: 1}, "same": {N: 2}, "a": {N: 4}, "z": {N: 5}})
}

func testReplace(t *testing.T, open Open) {
	s := newStore(t, open)
	for i, key := range []string{"d", "b", "same"} {
		set(t, s, key, i)
	}
	w := watch(t, s, store.WithInitialReplay[Value]())
	w.expect("create d", "create b", "create same")
	want := map[string]Value{"same": {N: 2}, "b": {N: 10}, "a": {N: 11}}
	noError(t, s.Replace(kind, want))
	w.expect("create a", "update b", "delete d")
	sameMap(t, "List after Replace", list(t, s), want)
	noError(t, s.Replace(kind, nil))
	w.expect("delete a", "delete b", "delete same")
	n, err := s.Count(kind)
	noError(t, err)
	equal(t, "Count after Replace with nothing", n, 0)
}

func testDelete(t *testing.T, open Open) {
	s := newStore(t, open)
	existed, _, err := s.Delete(kind, "a")
	noError(t, err)
	equal(t, "existed, in an absent kind", existed, false)
	set(t, s, "a", 7)
	existed, prev, err := s.Delete(kind, "a")
	noError(t, err)
	equal(t, "existed", existed, true)
	equal(t, "previous value", prev, Value{N: 7})
	existed, _, err = s.Delete(kind, "a")
	noError(t, err)
	equal(t, "existed, when it is gone", existed, false)
	created, err := s.Set(kind, "a", Value{N: 8})
	noError(t, err)
	equal(t, "created, after a delete", created, true)
}

func testValidate(t *testing.T, open Open) {
	negative := errors.New("negative")
	s := open(store.StoreOptions[Value]{ValidateFns: map[string]store.ValidateFunc[Value]{
		kind: func(v Value) error {
			if v.N < 0 {
				return negative
			}
			return nil
		},
		"none": nil,
	}})
	defer s.Close()

	// A rejected write leaves no trace, not even an empty kind.
	_, err := s.Set(kind, "a", Value{N: -1})
	isInvalid(t, err, "a", negative)
	isInvalid(t, s.SetAll(kind, map[string]Value{"a": {N: 1}, "b": {N: -1}}), "b", negative)
	isInvalid(t, s.Replace(kind, map[string]Value{"a": {N: 1}, "b": {N: -1}}), "b", negative)
	all, err := s.GetAll()
	noError(t, err)
	equal(t, "kinds after rejected writes", len(all), 0)

	set(t, s, "a", 1)
	w := watch(t, s)
	_, err = s.SetFn(kind, "a", func(Value) (Value, error) { return Value{N: -1}, nil })
	isInvalid(t, err, "a", negative)
	isInvalid(t, s.Replace(kind, map[string]Value{"b": {N: -1}}), "b", negative)
	set(t, s, "b", 2)
	w.expect("create b")

	_, err = s.Set("other", "a", Value{N: -1})
	noError(t, err)
	_, err = s.Set("none", "a", Value{N: -1})
	noError(t, err)
}

func testCompare(t *testing.T, open Open) {
	s := open(store.StoreOptions[Value]{CompareFn: func(prev, next Value) bool { return prev.N == next.N }})
	defer s.Close()
	_, err := s.Set(kind, "a", Value{N: 1, Text: "first"})
	noError(t, err)
	w := watch(t, s, store.WithInitialReplay[Value]())
	w.expect("create a")

	// An equal value is not written, by any method, and makes no event.
	second := Value{N: 1, Text: "second"}
	created, err := s.Set(kind, "a", second)
	noError(t, err)
	equal(t, "created", created, false)
	changed, err := s.SetFn(kind, "a", func(Value) (Value, error) { return second, nil })
	noError(t, err)
	equal(t, "changed", changed, false)
	noError(t, s.SetAll(kind, map[string]Value{"a": second}))
	noError(t, s.Replace(kind, map[string]Value{"a": second}))
	v, _, err := s.Get(kind, "a")
	noError(t, err)
	equal(t, "value", v, Value{N: 1, Text: "first"})

	set(t, s, "a", 2)
	w.expect("update a")

	// Without a function, values are compared deeply.
	plain := newStore(t, open)
	set(t, plain, "a", 1)
	w = watch(t, plain)
	set(t, plain, "a", 1)
	set(t, plain, "b", 1)
	w.expect("create b")
}

func testMisuse(t *testing.T, open Open) {
	s := newStore(t, open)
	fn := func(v Value) (Value, error) { return v, nil }
	for name, err := range everyMethod(s, "", "key", fn) {
		isError(t, name+" without a kind", err, store.ErrKindRequired)
	}
	for _, name := range []string{"Get", "Set", "SetFn", "Delete", "SetAll", "Replace"} {
		isError(t, name+" without a key", everyMethod(s, kind, "", fn)[name], store.ErrKeyRequired)
	}
	set(t, s, "a", 1)
	_, err := s.SetFn(kind, "a", nil)
	isError(t, "SetFn without a function", err, store.ErrFuncRequired)
	_, _, err = s.Compute(kind, "a", nil)
	isError(t, "Compute without a function", err, store.ErrFuncRequired)
	_, _, err = s.DeleteIf(kind, "a", nil)
	isError(t, "DeleteIf without a function", err, store.ErrFuncRequired)
	all, err := s.List(kind, nil, func(string, Value) bool { return true })
	noError(t, err)
	sameMap(t, "List with filters that are nil", all, map[string]Value{"a": {N: 1}})
	sameMap(t, "List after misuse", list(t, s), map[string]Value{"a": {N: 1}})
}

func testClose(t *testing.T, open Open) {
	s := newStore(t, open)
	set(t, s, "a", 1)
	noError(t, s.Close())
	noError(t, s.Close())
	for name, err := range everyMethod(s, kind, "a", func(v Value) (Value, error) { return v, nil }) {
		isError(t, name+" after Close", err, store.ErrClosed)
	}
	_, err := s.GetAll()
	isError(t, "GetAll after Close", err, store.ErrClosed)
}

// everyMethod calls every method that takes a kind, and returns their errors.
func everyMethod(s store.Store[Value], kind, key string, fn func(Value) (Value, error)) map[string]error {
	errs := make(map[string]error)
	_, _, errs["Get"] = s.Get(kind, key)
	_, errs["List"] = s.List(kind)
	_, errs["Count"] = s.Count(kind)
	_, errs["Keys"] = s.Keys(kind)
	_, errs["Values"] = s.Values(kind)
	_, errs["Set"] = s.Set(kind, key, Value{})
	_, errs["SetFn"] = s.SetFn(kind, key, fn)
	errs["SetAll"] = s.SetAll(kind, map[string]Value{key: {}})
	errs["Replace"] = s.Replace(kind, map[string]Value{key: {}})
	_, _, errs["Delete"] = s.Delete(kind, key)
	events, cancel, err := s.Watch(kind)
	errs["Watch"] = err
	if err == nil {
		cancel()
		for range events {
		}
	}
	return errs
}

// A panic of the caller's function reaches the caller, and the store lives on.
func testCallbackPanic(t *testing.T, open Open) {
	s := newStore(t, open)
	set(t, s, "a", 1)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of a SetFn function was swallowed")
			}
		}()
		_, _ = s.SetFn(kind, "a", func(Value) (Value, error) { panic("no") })
	}()
	set(t, s, "a", 2)
	sameMap(t, "List after a panic", list(t, s), map[string]Value{"a": {N: 2}})
}

// All reads see all of a batch, or nothing of it.
func testBatchIsAtomic(t *testing.T, open Open) {
	s := newStore(t, open)
	keys := []string{"a", "b", "c", "d"}
	batch := func(n int) map[string]Value {
		values := make(map[string]Value)
		for _, key := range keys {
			values[key] = Value{N: n}
		}
		return values
	}
	noError(t, s.SetAll(kind, batch(0)))
	const batches = 500
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		for n := 1; n <= batches; n++ {
			write := s.SetAll
			if n%2 == 0 {
				write = s.Replace
			}
			if err := write(kind, batch(n)); err != nil {
				t.Errorf("write: %v", err)
			}
		}
	})
	for range 3 {
		wg.Go(func() {
			last := 0
			for {
				select {
				case <-done:
					return
				default:
				}
				// A key that was read tells how far at least the batch has to be.
				for _, key := range keys {
					v, _, _ := s.Get(kind, key)
					if v.N < last {
						t.Errorf("Get(%s) went back from %d to %d", key, last, v.N)
						return
					}
					last = v.N
				}
				seen := make(map[Value]bool)
				values, err := s.List(kind)
				if err != nil {
					t.Errorf("List: %v", err)
					return
				}
				for _, v := range values {
					seen[v] = true
					if v.N < last {
						t.Errorf("List went back from %d to %d", last, v.N)
					}
				}
				if len(seen) != 1 || len(values) != len(keys) {
					t.Errorf("List saw a part of a batch: %v", values)
					return
				}
				last = values["a"].N
			}
		})
	}
	wg.Wait()
}

// Kinds have nothing to do with one another.
func testKinds(t *testing.T, open Open) {
	s := newStore(t, open)
	w := watch(t, s)
	_, err := s.Set("others", "a", Value{N: 1})
	noError(t, err)
	set(t, s, "a", 2)
	w.expect("create a")
	all, err := s.GetAll()
	noError(t, err)
	equal(t, "number of kinds", len(all), 2)
	equal(t, "value in one kind", all["others"]["a"], Value{N: 1})
	equal(t, "value in the other", all[kind]["a"], Value{N: 2})
	_, _, err = s.Delete("others", "a")
	noError(t, err)
	all, err = s.GetAll()
	noError(t, err)
	equal(t, "number of kinds after one was emptied", len(all), 1)
}

func isError(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: got error %v, want %v", what, got, want)
	}
}

func isInvalid(t testing.TB, err error, key string, cause error) {
	t.Helper()
	var invalid *store.ValidationError
	if !errors.As(err, &invalid) {
		t.Fatalf("got error %v, want a *store.ValidationError", err)
	}
	equal(t, "kind of the rejected value", invalid.Kind, kind)
	equal(t, "key of the rejected value", invalid.Name, key)
	isError(t, "rejected write", err, cause)
	equal(t, "message", err.Error(), cause.Error())
}

func sameMap[V comparable](t testing.TB, what string, got, want map[string]V) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Fatalf("%s: got %d keys %.200v, want %d keys %.200v", what, len(got), got, len(want), want)
	}
}
