// Package informertest lets a test wait for what an informer's objects will come
// to be, instead of polling for it:
//
//	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
//	defer cancel()
//	copied := informertest.WaitKey(ctx, t, configMaps, "team-a", "settings", "is a copy",
//		func(obj *corev1.ConfigMap) bool { return obj.Annotations["copied-from"] != "" })
//
// The conditions are looked at when the informer's store changes, and only then,
// so a wait ends as soon as it can. The deadline is the context's. What does not
// come true by then fails the test at once, with the condition, the last state
// that was seen, and how many changes there were on the way. So does an informer
// that cannot sync, as its WaitSynced has it: receive from its Synced channel
// first where that is expected to heal.
//
// Wait first for the objects that the code under test is to act upon: a condition
// that holds already, such as an absence, ends its wait immediately.
package informertest
