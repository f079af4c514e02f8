package core

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Key returns the key of an object: "namespace/name", or "name" if it has no namespace.
func Key(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

func keyOf(obj metav1.Object) string { return Key(obj.GetNamespace(), obj.GetName()) }
