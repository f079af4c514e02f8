package ctrlruntime

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/core"
)

// fact is what a write has shown: that in its scope there was what is in left at a
// resourceVersion, and nothing else. A store that has anything in the scope in an older
// state has not come to the write.
type fact struct {
	scope
	selector        labels.Selector // the scope's labels
	resourceVersion string
	left            map[types.NamespacedName]string // the objects' resourceVersions
	// outside tells that the share's selectors leave out what is in left.
	outside bool
}

// scope is an object or, without a name, all that has labels in a namespace. The
// namespace "" is all.
type scope struct {
	types.NamespacedName
	labels string // a selector
}

// concerns tells whether there may be something of the scope in a read, which is of an
// object or, without a name, of a namespace.
func (s scope) concerns(of types.NamespacedName) bool {
	return (s.Namespace == "" || of.Namespace == "" || s.Namespace == of.Namespace) &&
		(s.Name == "" || of.Name == "" || s.Name == of.Name)
}

// has tells whether an object is in the scope, with a selector that is its labels.
func (s scope) has(obj client.Object, selector labels.Selector) bool {
	return s.concerns(client.ObjectKeyFromObject(obj)) && (s.Name != "" || selector.Matches(labels.Set(obj.GetLabels())))
}

// facts are some by the names of their scopes. There is one of a scope at most.
type facts map[types.NamespacedName][]*fact

// put takes in a fact, unless there is a later one of its scope.
func (fs facts) put(f *fact) {
	for i, has := range fs[f.NamespacedName] {
		if has.labels == f.labels {
			if core.IsAtOrAfter(f.resourceVersion, has.resourceVersion) {
				fs[f.NamespacedName][i] = f
			}
			return
		}
	}
	fs[f.NamespacedName] = append(fs[f.NamespacedName], f)
}

// about returns the facts that concern a read.
func (fs facts) about(of types.NamespacedName) (found []*fact) {
	if of.Name != "" {
		found = append(found, fs[of]...)
		found = append(found, fs[types.NamespacedName{}]...)
		if of.Namespace != "" {
			found = append(found, fs[types.NamespacedName{Namespace: of.Namespace}]...)
		}
		return found
	}
	for name, some := range fs {
		if (scope{NamespacedName: name}).concerns(of) {
			found = append(found, some...)
		}
	}
	return found
}

// outdate tells whether a state of an object is older than one of the facts.
func (fs facts) outdate(obj client.Object) bool {
	for _, f := range fs.about(client.ObjectKeyFromObject(obj)) {
		if f.outdates(obj) {
			return true
		}
	}
	return false
}

// outdates tells whether a state of an object is older than the fact.
func (f *fact) outdates(obj client.Object) bool {
	version := obj.GetResourceVersion()
	if !f.has(obj, f.selector) || !core.IsAtOrAfter(f.resourceVersion, version) {
		return false
	}
	at, isLeft := f.left[client.ObjectKeyFromObject(obj)]
	return !isLeft || !core.IsAtOrAfter(version, at)
}

// isIn tells whether a share has a fact as far as it is about an object.
func (f *fact) isIn(ns *namespaceCache, key types.NamespacedName) bool {
	come := ns.status().Version()
	if core.IsAtOrAfter(come, f.resourceVersion) {
		return true
	}
	if obj := ns.stored(key); obj != nil {
		return !f.outdates(obj)
	}
	at, isLeft := f.left[key]
	return !isLeft || f.outside || core.IsAtOrAfter(come, at)
}

// keys returns the objects to wait for, so that a share has a fact as far as it is about
// a read.
func (f *fact) keys(ns *namespaceCache, of types.NamespacedName) (keys []types.NamespacedName) {
	switch {
	case f.Name != "":
		return []types.NamespacedName{f.NamespacedName}
	case of.Name != "":
		return []types.NamespacedName{of}
	}
	for key := range f.left {
		keys = append(keys, key)
	}
	for _, v := range ns.objects().All() {
		if obj := ns.metadataOf(v); obj != nil && f.outdates(obj) {
			keys = append(keys, client.ObjectKeyFromObject(obj))
		}
	}
	return keys
}

// isPast tells whether a share has come so far that it will not show anything older
// than the fact again. That an object is not there is not enough: what was written
// before its end may be on its way.
func (f *fact) isPast(ns *namespaceCache) bool {
	if core.IsAtOrAfter(ns.status().Version(), f.resourceVersion) {
		return true
	}
	if f.Name == "" {
		return false
	}
	obj := ns.stored(f.NamespacedName)
	return obj != nil && !f.outdates(obj)
}
