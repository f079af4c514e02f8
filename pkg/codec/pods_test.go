package codec_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A cluster makes Pods like those of a real one: the Pods of a workload come from one template, and
// differ in what the API server, the scheduler and the kubelet write. Two clusters with the same seed are
// the same.
type cluster struct {
	rand      *rand.Rand
	workloads []*workload
}

// A workload is a ReplicaSet with its template.
type workload struct {
	namespace, name, hash string
	uid                   types.UID
	labels                map[string]string
	spec                  corev1.PodSpec
	fields                metav1.FieldsV1
	statusFields          metav1.FieldsV1
}

func newCluster(seed uint64, workloads int) *cluster {
	c := &cluster{rand: rand.New(rand.NewPCG(seed, 1))}
	for i := range workloads {
		c.workloads = append(c.workloads, c.newWorkload(i))
	}
	return c
}

// pods returns n Pods in the order of a list: those of a workload are together.
func (c *cluster) pods(n int) []*corev1.Pod {
	pods := make([]*corev1.Pod, n)
	for i := range pods {
		pods[i] = c.pod(c.workloads[i*len(c.workloads)/n])
	}
	return pods
}

// turns returns the workloads in order, each of them several times.
func (c *cluster) turns(each int) []*workload {
	var turns []*workload
	for _, w := range c.workloads {
		turns = append(turns, slices.Repeat([]*workload{w}, each)...)
	}
	return turns
}

// words are what names in a cluster are made of.
var words = []string{
	"api", "auth", "billing", "cache", "catalog", "checkout", "config", "delivery", "edge", "events", "feed",
	"gateway", "graph", "identity", "image", "index", "invoice", "ledger", "mail", "media", "metrics", "orders",
	"payment", "profile", "proxy", "queue", "rating", "search", "session", "stock", "store", "stream", "tracking",
}

func (c *cluster) word() string { return words[c.rand.IntN(len(words))] }

func (c *cluster) hex(n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[c.rand.IntN(len(digits))]
	}
	return string(b)
}

// suffix is what generateName adds.
func (c *cluster) suffix() string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	b := make([]byte, 5)
	for i := range b {
		b[i] = letters[c.rand.IntN(len(letters))]
	}
	return string(b)
}

func (c *cluster) uid() types.UID {
	return types.UID(c.hex(8) + "-" + c.hex(4) + "-4" + c.hex(3) + "-a" + c.hex(3) + "-" + c.hex(12))
}

func (c *cluster) ip() string {
	return fmt.Sprintf("10.%d.%d.%d", c.rand.IntN(256), c.rand.IntN(256), 1+c.rand.IntN(254))
}

func (c *cluster) newWorkload(i int) *workload {
	w := &workload{
		namespace: fmt.Sprintf("team-%02d-%s", i%100, words[i%len(words)]),
		name:      fmt.Sprintf("%s-%s-%d", c.word(), c.word(), i),
		hash:      c.hex(10),
		uid:       c.uid(),
	}
	w.labels = map[string]string{
		"app.kubernetes.io/name":       w.name,
		"app.kubernetes.io/instance":   w.name + "-" + c.word(),
		"app.kubernetes.io/version":    fmt.Sprintf("v%d.%d.%d", c.rand.IntN(9), c.rand.IntN(30), c.rand.IntN(30)),
		"app.kubernetes.io/component":  c.word(),
		"app.kubernetes.io/part-of":    c.word() + "-platform",
		"app.kubernetes.io/managed-by": "Helm",
		"pod-template-hash":            w.hash,
	}
	w.spec = c.podSpec(w)
	owned := map[string]any{
		"f:metadata": map[string]any{
			"f:annotations":  map[string]any{".": map[string]any{}, "f:checksum/config": map[string]any{}, "f:prometheus.io/port": map[string]any{}},
			"f:generateName": map[string]any{},
			"f:labels":       fieldsOf(w.labels),
			"f:ownerReferences": map[string]any{
				".": map[string]any{}, fmt.Sprintf("k:{%q:%q}", "uid", w.uid): map[string]any{},
			},
		},
		"f:spec": c.specFields(w.spec),
	}
	w.fields = fieldsV1(owned)
	conditions := map[string]any{}
	for _, kind := range []string{"ContainersReady", "Initialized", "PodReadyToStartContainers", "Ready"} {
		conditions[fmt.Sprintf("k:{%q:%q}", "type", kind)] = fieldsOf(map[string]string{
			".": "", "lastProbeTime": "", "lastTransitionTime": "", "status": "", "type": "", "observedGeneration": "",
		})
	}
	w.statusFields = fieldsV1(map[string]any{"f:status": map[string]any{
		"f:conditions": conditions, "f:containerStatuses": map[string]any{}, "f:hostIP": map[string]any{}, "f:hostIPs": map[string]any{},
		"f:phase": map[string]any{}, "f:podIP": map[string]any{}, "f:podIPs": map[string]any{}, "f:startTime": map[string]any{},
	}})
	return w
}

func fieldsOf[V any](m map[string]V) map[string]any {
	fields := map[string]any{}
	for key := range m {
		if key != "." {
			key = "f:" + key
		}
		fields[key] = map[string]any{}
	}
	return fields
}

func fieldsV1(tree map[string]any) metav1.FieldsV1 {
	raw, err := json.Marshal(tree)
	if err != nil {
		panic(err)
	}
	return *metav1.NewFieldsV1(string(raw))
}

func (c *cluster) podSpec(w *workload) corev1.PodSpec {
	spec := corev1.PodSpec{
		ServiceAccountName:            w.name,
		DeprecatedServiceAccount:      w.name,
		RestartPolicy:                 corev1.RestartPolicyAlways,
		DNSPolicy:                     corev1.DNSClusterFirst,
		SchedulerName:                 corev1.DefaultSchedulerName,
		TerminationGracePeriodSeconds: new(int64(30 + c.rand.IntN(30))),
		EnableServiceLinks:            new(true),
		Priority:                      new(int32(0)),
		PreemptionPolicy:              new(corev1.PreemptLowerPriority),
		SecurityContext:               &corev1.PodSecurityContext{RunAsUser: new(int64(1000 + c.rand.IntN(1000))), RunAsNonRoot: new(true)},
		Tolerations: []corev1.Toleration{
			{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(300))},
			{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(300))},
		},
		Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: w.name + "-config"}, DefaultMode: new(int32(420)),
			}}},
			{Name: "tls", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: w.name + "-tls", DefaultMode: new(int32(420))}}},
		},
	}
	for i := range 1 + c.rand.IntN(3) {
		name := fmt.Sprintf("%s-%d", c.word(), i)
		port := int32(8000 + c.rand.IntN(1000))
		container := corev1.Container{
			Name:                     name,
			Image:                    fmt.Sprintf("registry.example.com/%s/%s:v%d.%d.%d", c.word(), name, c.rand.IntN(9), c.rand.IntN(30), c.rand.IntN(30)),
			ImagePullPolicy:          corev1.PullIfNotPresent,
			TerminationMessagePath:   corev1.TerminationMessagePathDefault,
			TerminationMessagePolicy: corev1.TerminationMessageReadFile,
			Args:                     []string{"--config=/etc/" + name + "/config.yaml", fmt.Sprintf("--listen=:%d", port), "--log-format=json"},
			Ports:                    []corev1.ContainerPort{{Name: "http", ContainerPort: port, Protocol: corev1.ProtocolTCP}},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{
					corev1.ResourceCPU:    *resource.NewMilliQuantity(int64(50*(1+c.rand.IntN(20))), resource.DecimalSI),
					corev1.ResourceMemory: *resource.NewQuantity(int64(64<<20*(1+c.rand.IntN(16))), resource.BinarySI),
				},
				Limits: corev1.ResourceList{
					corev1.ResourceMemory: *resource.NewQuantity(int64(64<<20*(1+c.rand.IntN(32))), resource.BinarySI),
				},
			},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true)},
			VolumeMounts: []corev1.VolumeMount{
				{Name: "config", ReadOnly: true, MountPath: "/etc/" + name},
				{Name: "tls", ReadOnly: true, MountPath: "/etc/tls"},
			},
		}
		for _, probe := range []**corev1.Probe{&container.LivenessProbe, &container.ReadinessProbe} {
			*probe = &corev1.Probe{
				ProbeHandler:   corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/" + c.word() + "/healthz", Port: intstr.FromString("http"), Scheme: corev1.URISchemeHTTP}},
				TimeoutSeconds: 1, PeriodSeconds: int32(5 + c.rand.IntN(20)), SuccessThreshold: 1, FailureThreshold: 3,
			}
		}
		for range 6 + c.rand.IntN(10) {
			first, second := c.word(), c.word()
			container.Env = append(container.Env, corev1.EnvVar{
				Name:  fmt.Sprintf("%s_%s_URL", first, second),
				Value: fmt.Sprintf("http://%s.%s.svc.cluster.local:%d/%s", first, w.namespace, 8000+c.rand.IntN(1000), second),
			})
		}
		spec.Containers = append(spec.Containers, container)
	}
	return spec
}

func (c *cluster) specFields(spec corev1.PodSpec) map[string]any {
	containers := map[string]any{}
	for _, container := range spec.Containers {
		env := map[string]any{".": map[string]any{}}
		for _, v := range container.Env {
			env[fmt.Sprintf("k:{%q:%q}", "name", v.Name)] = fieldsOf(map[string]string{".": "", "name": "", "value": ""})
		}
		fields := fieldsOf(map[string]string{
			".": "", "args": "", "image": "", "imagePullPolicy": "", "livenessProbe": "", "name": "", "ports": "", "readinessProbe": "",
			"resources": "", "securityContext": "", "terminationMessagePath": "", "terminationMessagePolicy": "", "volumeMounts": "",
		})
		fields["f:env"] = env
		containers[fmt.Sprintf("k:{%q:%q}", "name", container.Name)] = fields
	}
	fields := fieldsOf(map[string]string{
		"dnsPolicy": "", "enableServiceLinks": "", "restartPolicy": "", "schedulerName": "", "securityContext": "",
		"serviceAccount": "", "serviceAccountName": "", "terminationGracePeriodSeconds": "", "volumes": "",
	})
	fields["f:containers"] = containers
	return fields
}

// pod returns one more Pod of a workload, running.
func (c *cluster) pod(w *workload) *corev1.Pod {
	created := metav1.NewTime(time.Unix(1_790_000_000+c.rand.Int64N(1_000_000), 0))
	after := func(seconds int) metav1.Time {
		return metav1.NewTime(created.Add(time.Duration(seconds) * time.Second))
	}
	node := fmt.Sprintf("node-pool-%d-%03d.cluster.example.com", c.rand.IntN(4), c.rand.IntN(400))
	ip, host := c.ip(), c.ip()
	token := "kube-api-access-" + c.suffix()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:              w.name + "-" + w.hash + "-" + c.suffix(),
			GenerateName:      w.name + "-" + w.hash + "-",
			Namespace:         w.namespace,
			UID:               c.uid(),
			ResourceVersion:   fmt.Sprint(1_000_000 + c.rand.IntN(9_000_000)),
			Generation:        1,
			CreationTimestamp: created,
			Labels:            w.labels,
			Annotations:       map[string]string{"checksum/config": c.hex(64), "prometheus.io/port": "8080", "prometheus.io/scrape": "true"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: w.name + "-" + w.hash, UID: w.uid, Controller: new(true), BlockOwnerDeletion: new(true),
			}},
			ManagedFields: []metav1.ManagedFieldsEntry{
				{Manager: "kube-controller-manager", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &created, FieldsType: "FieldsV1", FieldsV1: &w.fields},
				{Manager: "kubelet", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: new(after(9)), FieldsType: "FieldsV1", FieldsV1: &w.statusFields, Subresource: "status"},
			},
		},
		Spec: *w.spec.DeepCopy(),
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, HostIP: host, HostIPs: []corev1.HostIP{{IP: host}}, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
			StartTime: new(after(1)), QOSClass: corev1.PodQOSBurstable, ObservedGeneration: 1,
		},
	}
	pod.Spec.NodeName = node
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: token, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: new(int32(420)),
		Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{ExpirationSeconds: new(int64(3607)), Path: "token"}},
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}}},
		},
	}}})
	for _, kind := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: kind, Status: corev1.ConditionTrue, ObservedGeneration: 1, LastTransitionTime: after(c.rand.IntN(10)),
		})
	}
	for i := range pod.Spec.Containers {
		container := &pod.Spec.Containers[i]
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{
			Name: token, ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
		})
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Ready: true, Started: new(true), Image: container.Image,
			ImageID:     container.Image + "@sha256:" + string(w.uid),
			ContainerID: "containerd://" + c.hex(64),
			State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: after(5)}},
		})
	}
	return pod
}
