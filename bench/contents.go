package main

import (
	"context"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/pkg/informer"
)

// content is what a cache is filled with.
type content string

const (
	podsOnly    content = "pods"
	widgetsOnly content = "widgets"
	tenKinds    content = "mixed"
)

// kinds returns what is in a content. All ten are in one cache.
func (c content) kinds() []cachedKind {
	switch c {
	case podsOnly:
		return []cachedKind{podKind}
	case widgetsOnly:
		return []cachedKind{customKind}
	case tenKinds:
		return append(slices.Clone(builtinKinds), customKind)
	default:
		return nil
	}
}

// cachedKind is one kind of objects, as each of the libraries wants to be told of it.
type cachedKind struct {
	resource schema.GroupVersionResource
	object   func() client.Object
	list     func() client.ObjectList
	follow   followFunc
}

func builtin[T informer.Object](resource schema.GroupVersionResource, object func() T, list func() client.ObjectList) cachedKind {
	return cachedKind{
		resource: resource,
		object:   func() client.Object { return object() },
		list:     list,
		follow:   follow[T](schema.GroupVersionKind{}),
	}
}

var (
	podKind = builtin(podResource,
		func() *corev1.Pod { return &corev1.Pod{} }, func() client.ObjectList { return &corev1.PodList{} })
	builtinKinds = []cachedKind{
		podKind,
		builtin(corev1.SchemeGroupVersion.WithResource("configmaps"),
			func() *corev1.ConfigMap { return &corev1.ConfigMap{} }, func() client.ObjectList { return &corev1.ConfigMapList{} }),
		builtin(corev1.SchemeGroupVersion.WithResource("secrets"),
			func() *corev1.Secret { return &corev1.Secret{} }, func() client.ObjectList { return &corev1.SecretList{} }),
		builtin(corev1.SchemeGroupVersion.WithResource("services"),
			func() *corev1.Service { return &corev1.Service{} }, func() client.ObjectList { return &corev1.ServiceList{} }),
		builtin(corev1.SchemeGroupVersion.WithResource("nodes"),
			func() *corev1.Node { return &corev1.Node{} }, func() client.ObjectList { return &corev1.NodeList{} }),
		builtin(appsv1.SchemeGroupVersion.WithResource("deployments"),
			func() *appsv1.Deployment { return &appsv1.Deployment{} }, func() client.ObjectList { return &appsv1.DeploymentList{} }),
		builtin(appsv1.SchemeGroupVersion.WithResource("replicasets"),
			func() *appsv1.ReplicaSet { return &appsv1.ReplicaSet{} }, func() client.ObjectList { return &appsv1.ReplicaSetList{} }),
		builtin(discoveryv1.SchemeGroupVersion.WithResource("endpointslices"),
			func() *discoveryv1.EndpointSlice { return &discoveryv1.EndpointSlice{} }, func() client.ObjectList { return &discoveryv1.EndpointSliceList{} }),
		builtin(coordinationv1.SchemeGroupVersion.WithResource("leases"),
			func() *coordinationv1.Lease { return &coordinationv1.Lease{} }, func() client.ObjectList { return &coordinationv1.LeaseList{} }),
	}
	customKind = cachedKind{
		resource: widgetResource,
		object: func() client.Object {
			widget := &unstructured.Unstructured{}
			widget.SetGroupVersionKind(widgetKind)
			return widget
		},
		list: func() client.ObjectList {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(widgetKind.GroupVersion().WithKind(widgetKind.Kind + "List"))
			return list
		},
		follow: follow[*unstructured.Unstructured](widgetKind),
	}
)

// place is where an object is to be found in a cache.
type place struct {
	kind            int // in the content
	namespace, name string
}

// places returns those of all objects that are to be in a cache, which are asked for without the objects.
func places(ctx context.Context, config *rest.Config, kinds []cachedKind) []place {
	c := metadataClient(config)
	var all []place
	for kind := range kinds {
		for opts := (metav1.ListOptions{Limit: 5000}); ; {
			page, err := c.Resource(kinds[kind].resource).List(ctx, opts)
			must(err)
			for i := range page.Items {
				all = append(all, place{kind, page.Items[i].Namespace, page.Items[i].Name})
			}
			if opts.Continue = page.Continue; opts.Continue == "" {
				break
			}
		}
	}
	return all
}
