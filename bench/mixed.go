package main

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Beside its Pods, a mixed cluster has what made them and what they need: as much of it, as large and as much alike as
// in real ones. What is random is the same in every run.

// leaseNamespace is where nodes have theirs. Every API server has it.
const leaseNamespace = "kube-node-lease"

// companions makes up what there is beside Pods.
type companions struct {
	workload []*corev1.Pod // so far
	nodes    map[string]bool
}

// of returns what comes with the next Pod, the last or not: its node, and the objects of a workload that is complete.
func (c *companions) of(pod *corev1.Pod, last bool) (objects []client.Object) {
	if len(c.workload) > 0 && instance(c.workload[0]) != instance(pod) {
		objects = workloadObjects(c.workload)
		c.workload = nil
	}
	c.workload = append(c.workload, pod)
	if last {
		objects = append(objects, workloadObjects(c.workload)...)
	}
	if !c.nodes[pod.Spec.NodeName] {
		c.nodes[pod.Spec.NodeName] = true
		objects = append(objects, nodeObjects(pod)...)
	}
	return objects
}

// instance is the label of a Pod that tells its workload.
func instance(pod *corev1.Pod) string { return pod.Labels["app.kubernetes.io/instance"] }

// randomFor returns what makes up the objects that belong to a Pod.
func randomFor(pod *corev1.Pod) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(pod.UID))
	return rand.New(rand.NewPCG(1, h.Sum64()))
}

// workloadObjects returns what belongs to a workload beside its Pods.
func workloadObjects(workload []*corev1.Pod) []client.Object {
	pod, r := workload[0], randomFor(workload[0])
	app := application{r: r, pods: workload, name: instance(pod), namespace: pod.Namespace, labels: map[string]string{}}
	maps.Copy(app.labels, pod.Labels)
	for _, label := range []string{ // of one revision, or of one Pod
		appsv1.DefaultDeploymentUniqueLabelKey, appsv1.ControllerRevisionHashLabelKey, appsv1.StatefulSetPodNameLabel, batchv1.JobNameLabel,
	} {
		delete(app.labels, label)
	}
	objects := []client.Object{app.service(), app.endpoints(), app.config(), app.certificate(), app.credentials(), app.release(), app.lease()}
	if hash, ok := pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey]; ok {
		objects = append(objects, app.deployment(),
			app.replicaSet(hash, int32(len(workload)), 3),
			app.replicaSet(digits(r, len(hash)), 0, 2), // rolled out before
			app.replicaSet(digits(r, len(hash)), 0, 1))
	}
	return objects
}

// application is a workload.
type application struct {
	r               *rand.Rand
	pods            []*corev1.Pod
	name, namespace string
	labels          map[string]string
}

// meta returns the metadata of an object of the application.
func (a *application) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: a.namespace,
		Name:      name,
		Labels:    maps.Clone(a.labels),
		Annotations: map[string]string{
			"meta.helm.sh/release-name":      a.name,
			"meta.helm.sh/release-namespace": a.namespace,
		},
	}
}

func (a *application) selector() map[string]string {
	return map[string]string{"app.kubernetes.io/instance": a.name}
}

// template returns that of the Pods: one of them, without what its node and its token have added.
func (a *application) template(extra map[string]string) corev1.PodTemplateSpec {
	pod := a.pods[0].DeepCopy()
	t := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(a.labels), Annotations: pod.Annotations}, Spec: pod.Spec}
	maps.Copy(t.Labels, extra)
	t.Spec.NodeName = ""
	last := len(t.Spec.Volumes) - 1
	token := t.Spec.Volumes[last].Name
	t.Spec.Volumes = t.Spec.Volumes[:last]
	for i := range t.Spec.Containers {
		c := &t.Spec.Containers[i]
		c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == token })
	}
	return t
}

func (a *application) deployment() *appsv1.Deployment {
	count := int32(len(a.pods))
	d := &appsv1.Deployment{
		ObjectMeta: a.meta(a.name),
		Spec: appsv1.DeploymentSpec{
			Replicas:                new(count),
			Selector:                &metav1.LabelSelector{MatchLabels: a.selector()},
			Template:                a.template(nil),
			RevisionHistoryLimit:    new(int32(2)),
			ProgressDeadlineSeconds: new(int32(600)),
		},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: 1, Replicas: count, UpdatedReplicas: count, ReadyReplicas: count, AvailableReplicas: count,
		},
	}
	d.Annotations["deployment.kubernetes.io/revision"] = "3"
	for _, condition := range []appsv1.DeploymentConditionType{appsv1.DeploymentAvailable, appsv1.DeploymentProgressing} {
		d.Status.Conditions = append(d.Status.Conditions, appsv1.DeploymentCondition{
			Type: condition, Status: corev1.ConditionTrue, Reason: "AsExpected", Message: fmt.Sprintf("%s of %s is as expected.", condition, a.name),
			LastUpdateTime: a.pods[0].CreationTimestamp, LastTransitionTime: a.pods[0].CreationTimestamp,
		})
	}
	return d
}

func (a *application) replicaSet(hash string, count int32, revision int) *appsv1.ReplicaSet {
	own := map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: hash}
	rs := &appsv1.ReplicaSet{
		ObjectMeta: a.meta(a.name + "-" + hash),
		Spec: appsv1.ReplicaSetSpec{
			Replicas: new(count),
			Selector: &metav1.LabelSelector{MatchLabels: a.selector()},
			Template: a.template(own),
		},
		Status: appsv1.ReplicaSetStatus{
			ObservedGeneration: 1, Replicas: count, FullyLabeledReplicas: count, ReadyReplicas: count, AvailableReplicas: count,
		},
	}
	maps.Copy(rs.Labels, own)
	maps.Copy(rs.Spec.Selector.MatchLabels, own)
	rs.Annotations["deployment.kubernetes.io/desired-replicas"] = strconv.Itoa(int(count))
	rs.Annotations["deployment.kubernetes.io/revision"] = strconv.Itoa(revision)
	rs.Spec.Template.Spec.Containers[0].Image += fmt.Sprintf("-%d", revision)
	return rs
}

// service has no address of its own: the API server has no more than 254 of them to give.
func (a *application) service() *corev1.Service {
	return &corev1.Service{ObjectMeta: a.meta(a.name), Spec: corev1.ServiceSpec{
		ClusterIP: corev1.ClusterIPNone,
		Selector:  a.selector(),
		Ports: []corev1.ServicePort{
			{Name: "http", Port: 80, TargetPort: intstr.FromString("http"), Protocol: corev1.ProtocolTCP},
			{Name: "metrics", Port: 9090, TargetPort: intstr.FromString("metrics"), Protocol: corev1.ProtocolTCP},
		},
	}}
}

func (a *application) endpoints() *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  a.meta(a.name + "-" + digits(a.r, 5)),
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{
			{Name: new("http"), Port: new(int32(8080)), Protocol: new(corev1.ProtocolTCP)},
			{Name: new("metrics"), Port: new(int32(9090)), Protocol: new(corev1.ProtocolTCP)},
		},
	}
	s.Labels[discoveryv1.LabelServiceName] = a.name
	s.Labels[discoveryv1.LabelManagedBy] = "endpointslice-controller.k8s.io"
	for _, p := range a.pods {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{p.Status.PodIP},
			Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
			NodeName:   new(p.Spec.NodeName),
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID},
		})
	}
	return s
}

// config is a file of settings, some of which differ from one workload to the next.
func (a *application) config() *corev1.ConfigMap {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "setting-%02d:\n  endpoint: https://%s.example.com/v1\n  timeout: %ds\n", i, a.name, 1+a.r.IntN(60))
	}
	return &corev1.ConfigMap{ObjectMeta: a.meta(a.name + "-config"), Data: map[string]string{"config.yaml": b.String()}}
}

// certificate, like all that is secret, is as good as random.
func (a *application) certificate() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: a.meta(a.name + "-tls"), Type: corev1.SecretTypeTLS, Data: map[string][]byte{
		corev1.TLSCertKey:       []byte("-----BEGIN CERTIFICATE-----\n" + random(a.r, 1200) + "\n-----END CERTIFICATE-----\n"),
		corev1.TLSPrivateKeyKey: []byte("-----BEGIN PRIVATE KEY-----\n" + random(a.r, 1200) + "\n-----END PRIVATE KEY-----\n"),
	}}
}

func (a *application) credentials() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: a.meta(a.name + "-credentials"), Data: map[string][]byte{
		"username": []byte(a.name), "password": []byte(random(a.r, 24)),
	}}
}

// release is what Helm keeps of an installation: compressed.
func (a *application) release() *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: a.meta("sh.helm.release.v1." + a.name + ".v3"), Type: "helm.sh/release.v1", Data: map[string][]byte{
		"release": []byte(random(a.r, 3000)),
	}}
	maps.Copy(s.Labels, map[string]string{"name": a.name, "owner": "helm", "status": "deployed", "version": "3"})
	return s
}

func (a *application) lease() *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: a.meta(a.name + "-leader"), Spec: leaseOf(a.pods[0].Name, a.pods[0].CreationTimestamp.Time)}
}

func leaseOf(holder string, since time.Time) coordinationv1.LeaseSpec {
	return coordinationv1.LeaseSpec{
		HolderIdentity:       &holder,
		LeaseDurationSeconds: new(int32(40)),
		AcquireTime:          new(metav1.NewMicroTime(since)),
		RenewTime:            new(metav1.NewMicroTime(since.Add(time.Hour))),
		LeaseTransitions:     new(int32(3)),
	}
}

// nodeObjects returns the node that a Pod is on, and the node's lease.
func nodeObjects(pod *corev1.Pod) []client.Object {
	name, r := pod.Spec.NodeName, randomFor(pod)
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("16"),
		corev1.ResourceMemory:           *resource.NewQuantity(int64(64<<30-r.IntN(1<<20)), resource.BinarySI),
		corev1.ResourceEphemeralStorage: resource.MustParse("200Gi"),
		corev1.ResourcePods:             resource.MustParse("110"),
	}
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname:           name,
				corev1.LabelArchStable:         "amd64",
				corev1.LabelOSStable:           "linux",
				corev1.LabelInstanceTypeStable: "m5.4xlarge",
				corev1.LabelTopologyRegion:     "eu-west-1",
				corev1.LabelTopologyZone:       "eu-west-1" + string(rune('a'+r.IntN(3))),
				"node.example.com/pool":        "general",
			},
			Annotations: map[string]string{"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true"},
		},
		Spec: corev1.NodeSpec{ProviderID: "aws:///eu-west-1/i-" + digits(r, 17)},
		Status: corev1.NodeStatus{
			Capacity:    capacity,
			Allocatable: capacity.DeepCopy(),
			Addresses:   []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: pod.Status.HostIP}, {Type: corev1.NodeHostName, Address: name}},
			NodeInfo: corev1.NodeSystemInfo{
				MachineID: digits(r, 32), SystemUUID: digits(r, 32), BootID: digits(r, 32), KernelVersion: "6.12.40", OSImage: "Linux", OperatingSystem: "linux",
				Architecture: "amd64", ContainerRuntimeVersion: "containerd://2.1.4", KubeletVersion: "v1.37.2",
			},
		},
	}
	for _, condition := range []corev1.NodeConditionType{corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure} {
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{
			Type: condition, Status: corev1.ConditionTrue, Reason: "KubeletHas" + string(condition), Message: fmt.Sprintf("kubelet says %s", condition),
			LastHeartbeatTime: pod.CreationTimestamp, LastTransitionTime: pod.CreationTimestamp,
		})
	}
	for i := range 20 {
		image := fmt.Sprintf("registry.example.com/%s/image-%02d", pod.Labels["app.kubernetes.io/name"], i)
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{
			Names: []string{image + "@sha256:" + digits(r, 64), image + ":v1"}, SizeBytes: r.Int64N(1 << 30),
		})
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: leaseNamespace, Name: name}, Spec: leaseOf(name, pod.CreationTimestamp.Time)}
	return []client.Object{n, lease}
}

// digits returns n random hexadecimal digits.
func digits(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[r.IntN(16)]
	}
	return string(b)
}

// random returns what n random bytes look like in base64.
func random(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	return base64.StdEncoding.EncodeToString(b)
}
