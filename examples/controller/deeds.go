package main

import (
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/larder-dev/larder/examples/controller/mirror"
)

// What the people in the story do, as they would with kubectl.

// team is the label of a team's namespace.
var team = map[string]string{"team": "yes"}

func (s *story) createNamespace(ctx context.Context, name string, labels map[string]string) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	_, err := s.client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	return err
}

func (s *story) deleteNamespace(ctx context.Context, name string) error {
	return s.client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
}

// label sets the label team of a namespace, or removes it if value is nil.
func (s *story) label(ctx context.Context, namespace string, value *string) error {
	patch := metadataPatch("labels", "team", value)
	_, err := s.client.CoreV1().Namespaces().Patch(ctx, namespace, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func (s *story) createConfigMap(ctx context.Context, namespace, name string, annotations, data map[string]string) error {
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: annotations},
		Data:       data,
	}
	return s.noted(s.client.CoreV1().ConfigMaps(namespace).Create(ctx, cm, metav1.CreateOptions{}))
}

func (s *story) deleteConfigMap(ctx context.Context, namespace, name string) error {
	return s.client.CoreV1().ConfigMaps(namespace).Delete(ctx, name, metav1.DeleteOptions{})
}

func (s *story) setData(ctx context.Context, namespace, name, key, value string) error {
	return s.patchConfigMap(ctx, namespace, name, encode(map[string]any{"data": map[string]string{key: value}}))
}

// selects sets the selector of the source, or takes the annotation off if it is empty.
func (s *story) selects(ctx context.Context, selector string) error {
	value := &selector
	if selector == "" {
		value = nil
	}
	return s.patchConfigMap(ctx, shop, sourceName, metadataPatch("annotations", mirror.AnnotationTo, value))
}

func (s *story) patchConfigMap(ctx context.Context, namespace, name string, patch []byte) error {
	return s.noted(s.client.CoreV1().ConfigMaps(namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}))
}

// noted notes what was written, so that the observer can wait for it.
func (s *story) noted(cm *corev1.ConfigMap, err error) error {
	if err == nil {
		s.written = cm.ResourceVersion
	}
	return err
}

// metadataPatch sets one label or annotation, or with nil removes it.
func metadataPatch(field, key string, value *string) []byte {
	return encode(map[string]any{"metadata": map[string]any{field: map[string]*string{key: value}}})
}

// encode encodes what cannot fail to be encoded.
func encode(v map[string]any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return body
}
