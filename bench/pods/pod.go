package pods

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pod makes up one Pod of the workload: what the controller, the scheduler and the kubelet of one node add.
func (t *template) pod(r *rand.Rand, number, nodes int) *corev1.Pod {
	created := t.created.Add(time.Duration(r.IntN(24*3600)) * time.Second)
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:         t.namespace,
			Name:              t.owner.Name + "-" + strconv.FormatInt(int64(number)+60466176, 36), // five characters or more
			GenerateName:      t.owner.Name + "-",
			UID:               uid(r),
			ResourceVersion:   strconv.Itoa(1_000_000 + number),
			Generation:        1,
			CreationTimestamp: metav1.NewTime(created),
			Labels:            maps.Clone(t.labels),
			Annotations:       t.notes,
			OwnerReferences:   []metav1.OwnerReference{t.owner},
		},
		Spec: t.spec,
	}
	if t.owner.Kind == "StatefulSet" {
		p.Labels["statefulset.kubernetes.io/pod-name"] = p.Name
	}
	node := r.IntN(nodes)
	p.Spec.NodeName = nodeName(node)
	token := "kube-api-access-" + hash(r, 5)
	p.Spec.Volumes = append(slices.Clip(p.Spec.Volumes), tokenVolume(token))
	p.Spec.Containers = slices.Clone(p.Spec.Containers)
	for i := range p.Spec.Containers {
		c := &p.Spec.Containers[i]
		c.VolumeMounts = append(slices.Clip(c.VolumeMounts), corev1.VolumeMount{
			Name: token, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true,
		})
	}
	p.Status = t.status(r, p, node, created)
	p.ManagedFields = []metav1.ManagedFieldsEntry{
		managed("kube-controller-manager", "", t.fields, created),
		managed("kubelet", "status", kubeletFields(p), created.Add(12*time.Second)),
	}
	return p
}

func nodeName(node int) string { return fmt.Sprintf("node-%05d.cluster.example.com", node) }

func tokenVolume(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: new(int32(420)),
		Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{ExpirationSeconds: new(int64(3607)), Path: "token"}},
			{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
				Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
			}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
				Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"},
			}}}},
		},
	}}}
}

// status is that of a Pod that runs.
func (t *template) status(r *rand.Rand, p *corev1.Pod, node int, created time.Time) corev1.PodStatus {
	at := func(seconds int) metav1.Time {
		return metav1.NewTime(created.Add(time.Duration(seconds) * time.Second))
	}
	address := fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), 1+r.IntN(254))
	host := fmt.Sprintf("192.168.%d.%d", node/250%256, 1+node%250)
	s := corev1.PodStatus{
		ObservedGeneration: 1,
		Phase:              corev1.PodRunning,
		HostIP:             host,
		HostIPs:            []corev1.HostIP{{IP: host}},
		PodIP:              address,
		PodIPs:             []corev1.PodIP{{IP: address}},
		StartTime:          new(at(1)),
		QOSClass:           corev1.PodQOSBurstable,
	}
	for i, condition := range []corev1.PodConditionType{
		corev1.PodScheduled, corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady,
	} {
		s.Conditions = append(s.Conditions, corev1.PodCondition{
			Type: condition, Status: corev1.ConditionTrue, ObservedGeneration: 1, LastTransitionTime: at(2 * i),
		})
	}
	running := func(c corev1.Container) corev1.ContainerStatus {
		return corev1.ContainerStatus{
			Name:         c.Name,
			Ready:        true,
			Started:      new(true),
			Image:        c.Image,
			ImageID:      strings.Split(c.Image, ":")[0] + "@sha256:" + hash(r, 64),
			ContainerID:  "containerd://" + hash(r, 64),
			RestartCount: int32(r.IntN(3)),
			State:        corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(8)}},
		}
	}
	for _, c := range p.Spec.InitContainers {
		status := running(c)
		status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "Completed", StartedAt: at(3), FinishedAt: at(6), ContainerID: status.ContainerID,
		}}
		s.InitContainerStatuses = append(s.InitContainerStatuses, status)
	}
	for _, c := range p.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, running(c))
	}
	return s
}
