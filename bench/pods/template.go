package pods

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// template is what the Pods of one workload have in common.
type template struct {
	name      string
	namespace string
	owner     metav1.OwnerReference
	hash      string // of the ReplicaSet or of the controller's revision
	labels    map[string]string
	notes     map[string]string // annotations
	spec      corev1.PodSpec
	fields    string // of the controller, as managedFields has them
	created   time.Time
}

var (
	products = []string{"billing", "search", "catalog", "checkout", "identity", "ledger", "media", "notify", "orders", "pricing"}
	roles    = []string{"api", "worker", "frontend", "indexer", "gateway", "cache", "scheduler", "exporter"}
	owners   = []schema.GroupVersionKind{
		appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
		appsv1.SchemeGroupVersion.WithKind("DaemonSet"),
		batchv1.SchemeGroupVersion.WithKind("Job"),
	}
	epoch = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
)

// newTemplate makes up the workload of a number.
func newTemplate(r *rand.Rand, number int, namespace string) *template {
	product, role, kind := pick(r, products), pick(r, roles), pick(r, owners)
	t := &template{
		name:      fmt.Sprintf("%s-%s-%d", product, role, number),
		namespace: namespace,
		hash:      hash(r, 10),
		created:   epoch.Add(time.Duration(r.IntN(90*24)) * time.Hour),
	}
	owner := t.name
	if kind.Kind == "ReplicaSet" {
		owner += "-" + t.hash
	}
	t.owner = *metav1.NewControllerRef(&metav1.ObjectMeta{Name: owner, UID: uid(r)}, kind)
	t.labels = map[string]string{
		"app.kubernetes.io/name":       product,
		"app.kubernetes.io/component":  role,
		"app.kubernetes.io/instance":   t.name,
		"app.kubernetes.io/managed-by": "Helm",
		"app.kubernetes.io/part-of":    product + "-platform",
		"app.kubernetes.io/version":    fmt.Sprintf("%d.%d.%d", r.IntN(5), r.IntN(30), r.IntN(20)),
		"helm.sh/chart":                fmt.Sprintf("%s-%d.%d.0", product, r.IntN(5), r.IntN(30)),
		"team":                         namespace,
	}
	switch kind.Kind {
	case "ReplicaSet":
		t.labels[appsv1.DefaultDeploymentUniqueLabelKey] = t.hash
	case "Job":
		t.labels[batchv1.JobNameLabel] = t.name
	default:
		t.labels[appsv1.ControllerRevisionHashLabelKey] = t.hash
	}
	t.notes = map[string]string{
		"checksum/config":                         hash(r, 64),
		"kubectl.kubernetes.io/default-container": role,
		"prometheus.io/scrape":                    "true",
		"prometheus.io/port":                      "9090",
		"prometheus.io/path":                      "/metrics",
	}
	t.spec = newSpec(r, t, role)
	t.fields = controllerFields(t)
	return t
}

func newSpec(r *rand.Rand, t *template, role string) corev1.PodSpec {
	containers := []corev1.Container{newContainer(r, role, t.name, 3+r.IntN(4))}
	for _, sidecar := range []string{"proxy"}[:r.IntN(4)/3] {
		containers = append(containers, newContainer(r, sidecar, t.name, r.IntN(3)))
	}
	return corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "migrate", Image: "registry.example.com/" + t.name + "/migrate:v1", Args: []string{"--wait"}}},
		Containers:     containers,
		Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: t.name + "-config"}, DefaultMode: new(int32(420)),
			}}},
			{Name: "tls", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
				SecretName: t.name + "-tls", DefaultMode: new(int32(420)),
			}}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
		RestartPolicy:                 corev1.RestartPolicyAlways,
		TerminationGracePeriodSeconds: new(int64(30)),
		DNSPolicy:                     corev1.DNSClusterFirst,
		ServiceAccountName:            t.name,
		DeprecatedServiceAccount:      t.name,
		SecurityContext:               &corev1.PodSecurityContext{RunAsNonRoot: new(true), FSGroup: new(int64(2000))},
		SchedulerName:                 corev1.DefaultSchedulerName,
		PriorityClassName:             "standard",
		Priority:                      new(int32(1000)),
		EnableServiceLinks:            new(false),
		PreemptionPolicy:              new(corev1.PreemptLowerPriority),
		Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
				Weight: 100,
				PodAffinityTerm: corev1.PodAffinityTerm{
					LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/instance": t.name}},
					TopologyKey:   corev1.LabelHostname,
				},
			}},
		}},
		Tolerations: []corev1.Toleration{
			{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(300))},
			{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(300))},
		},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew:           1,
			TopologyKey:       corev1.LabelTopologyZone,
			WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector:     &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/instance": t.name}},
		}},
	}
}

func newContainer(r *rand.Rand, name, workload string, env int) corev1.Container {
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
				Path: path, Port: intstr.FromString("http"), Scheme: corev1.URISchemeHTTP,
			}},
			InitialDelaySeconds: 5, TimeoutSeconds: 1, PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: 3,
		}
	}
	c := corev1.Container{
		Name:    name,
		Image:   fmt.Sprintf("registry.example.com/%s/%s:v%d.%d.%d", workload, name, r.IntN(5), r.IntN(30), r.IntN(20)),
		Command: []string{"/bin/" + name},
		Args:    []string{"--config=/etc/config/" + name + ".yaml", "--log-format=json", "--v=" + strconv.Itoa(r.IntN(5))},
		Ports:   []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}, {Name: "metrics", ContainerPort: 9090, Protocol: corev1.ProtocolTCP}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{
				corev1.ResourceCPU:    *resource.NewMilliQuantity(int64(50+50*r.IntN(20)), resource.DecimalSI),
				corev1.ResourceMemory: *resource.NewQuantity(int64(64+64*r.IntN(30))<<20, resource.BinarySI),
			},
			Limits: corev1.ResourceList{
				corev1.ResourceMemory: *resource.NewQuantity(int64(2048)<<20, resource.BinarySI),
			},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "config", MountPath: "/etc/config", ReadOnly: true},
			{Name: "tls", MountPath: "/etc/tls", ReadOnly: true},
			{Name: "tmp", MountPath: "/tmp"},
		},
		LivenessProbe:            probe("/healthz"),
		ReadinessProbe:           probe("/readyz"),
		TerminationMessagePath:   corev1.TerminationMessagePathDefault,
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		ImagePullPolicy:          corev1.PullIfNotPresent,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	c.Env = append(c.Env,
		corev1.EnvVar{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}}},
		corev1.EnvVar{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: workload + "-credentials"}, Key: "password",
		}}},
	)
	for i := range env {
		c.Env = append(c.Env, corev1.EnvVar{
			Name:  fmt.Sprintf("%s_SETTING_%02d", environment(name), i),
			Value: fmt.Sprintf("%s.%s.svc.cluster.local:%d", workload, hash(r, 8), 1024+r.IntN(60000)),
		})
	}
	return c
}

func environment(name string) string {
	upper := []byte(name)
	for i, b := range upper {
		switch {
		case b == '-':
			upper[i] = '_'
		case 'a' <= b && b <= 'z':
			upper[i] = b - 'a' + 'A'
		}
	}
	return string(upper)
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// hash returns n random hexadecimal digits.
func hash(r *rand.Rand, n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[r.IntN(len(digits))]
	}
	return string(b)
}

func uid(r *rand.Rand) types.UID {
	return types.UID(fmt.Sprintf("%s-%s-4%s-a%s-%s", hash(r, 8), hash(r, 4), hash(r, 3), hash(r, 3), hash(r, 12)))
}
