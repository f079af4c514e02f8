// Package mirror is a controller that mirrors ConfigMaps into other namespaces.
//
// A ConfigMap asks for it with an annotation that holds a label selector for
// namespaces:
//
//	metadata:
//	  annotations:
//	    larder.dev/mirror-to: team in (red, blue)
//
// That ConfigMap is a source. Each namespace that matches gets a copy: a
// ConfigMap of the same name and with the same data. From then on
//
//   - a change of the source reaches every copy, and a change of a copy, or its
//     deletion, is undone;
//   - namespaces that appear, or whose labels begin to match, get a copy; where
//     they cease to match, the copy is removed;
//   - when the source or its annotation goes, all copies go. A finalizer holds a
//     deleted source back until then.
//
// What the controller does not do: it never touches a ConfigMap that it did not
// make. Where the name is taken the namespace is left out until it is free. It
// leaves namespaces alone that are being deleted. It takes an empty selector for a
// mistake, since that would mean every namespace; "kubernetes.io/metadata.name"
// alone, a label that every namespace has, says so on purpose. While a selector is
// invalid the copies stay as they are.
//
// The outcome is in the source's annotation larder.dev/mirror-status, and what was
// done or went wrong in Events about the source.
//
// # How it is built
//
// The controller needs to know four things, and asks an index for each of them, so
// that what a change costs does not grow with the cluster:
//
//	which namespaces match a selector     namespaces, by label (see terms.go)
//	which sources want a namespace        sources, by what their selectors require
//	which copies a source has             copies, by source
//	which sources wait for a name         sources, by name
//
// Its cache holds the metadata of all namespaces and of all ConfigMaps, but the data
// of sources and copies only.
package mirror
