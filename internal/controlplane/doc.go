// Package controlplane runs a real kube-apiserver and etcd on this machine, for tests and for the examples.
//
// The binaries come from the folder that KUBEBUILDER_ASSETS names, or from the user's cache, where
// "make envtest" puts them. This package never builds or downloads anything: if they are missing, it says so
// with an error that wraps an *assets.MissingError.
//
// # In tests
//
// One control plane serves a whole test binary. It starts when the first test asks for it, so that tests that
// need none run without, and it is stopped when all have run:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(controlplane.Main(m)) } // or os.Exit(controlplane.Main(m).Run())
//
//	func TestSomething(t *testing.T) {
//		config := controlplane.Shared(t).Config()
//		…
//	}
//
// Tests keep apart by using namespaces of their own: no controller runs here, so a namespace, once made, is
// never emptied or removed. A missing control plane fails the test; it never skips it. A test that restarts the
// server starts a control plane of its own, with [Start].
//
// Custom resources are installed by Options, or later by envtest.InstallCRDs.
//
// # What to know
//
// Starting takes about four seconds, restarting as long, stopping one. Set
// KUBEBUILDER_ATTACH_CONTROL_PLANE_OUTPUT=true to see what the two processes print.
//
// There is no garbage collector, scheduler, kubelet or service account here: Pods stay Pending, owners do not
// take their dependents with them.
package controlplane
