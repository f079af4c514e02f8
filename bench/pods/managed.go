package pods

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// managed is one manager's entry in managedFields.
func managed(manager, subresource, fields string, at time.Time) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager:     manager,
		Operation:   metav1.ManagedFieldsOperationUpdate,
		APIVersion:  "v1",
		Time:        new(metav1.NewTime(at)),
		FieldsType:  "FieldsV1",
		FieldsV1:    metav1.NewFieldsV1(fields),
		Subresource: subresource,
	}
}

// controllerFields returns the fields that the controller set when it created the Pod.
func controllerFields(t *template) string {
	var containers []string
	for _, c := range t.spec.Containers {
		env := make([]string, len(c.Env))
		for i, e := range c.Env {
			env[i] = fmt.Sprintf(`"k:{\"name\":%s}":{".":{},"f:name":{},"f:value":{}}`, quoted(e.Name))
		}
		containers = append(containers, fmt.Sprintf(`"k:{\"name\":%s}":{".":{},"f:args":{},"f:command":{},"f:env":{".":{},%s},`+
			`"f:image":{},"f:imagePullPolicy":{},"f:livenessProbe":%s,"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":`+
			`{".":{},"f:containerPort":{},"f:name":{},"f:protocol":{}}},"f:readinessProbe":%[3]s,"f:resources":{".":{},"f:limits":{".":{},"f:memory":{}},`+
			`"f:requests":{".":{},"f:cpu":{},"f:memory":{}}},"f:securityContext":{".":{},"f:allowPrivilegeEscalation":{}},`+
			`"f:terminationMessagePath":{},"f:terminationMessagePolicy":{},"f:volumeMounts":{".":{},"k:{\"mountPath\":\"/tmp\"}":{".":{},"f:mountPath":{},"f:name":{}}}}`,
			quoted(c.Name), strings.Join(env, ","),
			`{".":{},"f:failureThreshold":{},"f:httpGet":{".":{},"f:path":{},"f:port":{},"f:scheme":{}},"f:periodSeconds":{},"f:timeoutSeconds":{}}`))
	}
	return fmt.Sprintf(`{"f:metadata":{"f:annotations":{".":{},%s},"f:generateName":{},"f:labels":{".":{},%s},"f:ownerReferences":{".":{},`+
		`"k:{\"uid\":%s}":{}}},"f:spec":{"f:containers":{%s},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},`+
		`"f:schedulerName":{},"f:securityContext":{},"f:serviceAccount":{},"f:terminationGracePeriodSeconds":{},"f:volumes":{".":{},`+
		`"k:{\"name\":\"config\"}":{".":{},"f:configMap":{".":{},"f:defaultMode":{},"f:name":{}},"f:name":{}}}}}`,
		keys(t.notes), keys(t.labels), quoted(string(t.owner.UID)), strings.Join(containers, ","))
}

// kubeletFields returns the fields that the kubelet set when it reported the Pod's status.
func kubeletFields(p *corev1.Pod) string {
	conditions := make([]string, len(p.Status.Conditions))
	for i, c := range p.Status.Conditions {
		conditions[i] = fmt.Sprintf(`"k:{\"type\":%s}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:observedGeneration":{},"f:status":{},"f:type":{}}`,
			quoted(string(c.Type)))
	}
	return fmt.Sprintf(`{"f:status":{"f:conditions":{%s},"f:containerStatuses":{},"f:hostIP":{},"f:hostIPs":{},"f:initContainerStatuses":{},`+
		`"f:observedGeneration":{},"f:phase":{},"f:podIP":{},"f:podIPs":{".":{},"k:{\"ip\":%s}":{".":{},"f:ip":{}}},"f:startTime":{}}}`,
		strings.Join(conditions, ","), quoted(p.Status.PodIP))
}

// keys returns the members of a set of fields, in order.
func keys(m map[string]string) string {
	members := slices.Sorted(maps.Keys(m))
	for i, k := range members {
		members[i] = fmt.Sprintf(`"f:%s":{}`, k)
	}
	return strings.Join(members, ",")
}

// quoted returns a string as it is written inside a JSON string.
func quoted(s string) string { return `\"` + s + `\"` }
