package codec

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkloadOf names the workload that an object belongs to: the uid of its controller, else its namespace and
// generateName, else nothing. It is the default of [Options].Workload; whoever passes wire bytes to
// [Packer.Pack] should name the workload in the same way.
func WorkloadOf(obj metav1.Object) string {
	return Workload(controllerUID(obj.GetOwnerReferences()), obj.GetNamespace(), obj.GetGenerateName())
}

// Workload is [WorkloadOf] for who has the fields without the object. controllerUID is that of the owner
// reference with controller true, or empty.
func Workload(controllerUID, namespace, generateName string) string {
	switch {
	case controllerUID != "":
		return controllerUID
	case generateName != "":
		return namespace + "/" + generateName
	default:
		return ""
	}
}

func controllerUID(owners []metav1.OwnerReference) string {
	for i := range owners {
		if owners[i].Controller != nil && *owners[i].Controller {
			return string(owners[i].UID)
		}
	}
	return ""
}
