package main

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A suite is the tests of one package of a peer.
type suite struct {
	name   string
	module string   // the peer
	dir    string   // of the package in its module
	files  []string // its test files that are about what larder has too
	shim   string   // in shims
	specs  string   // the test that runs Ginkgo's specs, if there are any
	// constructors is the package whose constructors the shim replaces, if not the suite's own.
	constructors string
	// program is that whose own packages are tested, over a patched copy of a peer. Then there are no files and
	// no shim.
	program *program
	// form is how the shim's constructors hold objects, unless they choose: it is told by LARDER_PEERS_FORM in
	// its environment.
	form string
}

const (
	packed = "packed"
	plain  = "plain"
)

// in returns the suite once more, for what holds its objects in a form.
func (s suite) in(form string) suite {
	s.name += ", " + form
	s.form = form
	return s
}

var (
	toolsCache = suite{
		name:   "client-go tools/cache",
		module: "k8s.io/client-go",
		dir:    "tools/cache",
		files: []string{
			"shared_informer_test.go", "util_test.go", "main_test.go", "mutation_detector_test.go",
			"store_test.go", "index_test.go", "thread_safe_store_test.go",
			"listers_test.go", "mutation_cache_test.go", "typed_test.go",
		},
		shim: "cache.go",
	}
	dynamicLister = suite{
		name:   "client-go dynamic/dynamiclister",
		module: "k8s.io/client-go",
		dir:    "dynamic/dynamiclister",
		files:  []string{"lister_test.go"},
		shim:   "dynamiclister.go",

		constructors: "k8s.io/client-go/tools/cache",
	}
	ctrlCache = suite{
		// The other test files are about unexported functions: how options are resolved, and how one cache
		// delegates to another.
		name:   "controller-runtime pkg/cache",
		module: "sigs.k8s.io/controller-runtime",
		dir:    "pkg/cache",
		files:  []string{"cache_test.go", "cache_suite_test.go", "informer_cache_test.go"},
		shim:   "ctrlcache.go",
		specs:  "TestSource",
	}
)

// suites are all there are. To add one, add it here, write its shim, run it, and name in excluded.txt what
// cannot apply.
var suites = []suite{
	toolsCache, toolsCache.in(packed), dynamicLister, dynamicLister.in(packed),
	{
		name:   "client-go util/workqueue",
		module: "k8s.io/client-go",
		dir:    "util/workqueue",
		files: []string{
			"queue_test.go", "delaying_queue_test.go", "metrics_test.go", "rate_limiting_queue_test.go",
			"default_rate_limiters_test.go", "parallelizer_test.go",
		},
		shim: "workqueue.go",
	},
	{
		name:   "controller-runtime pkg/controller/priorityqueue",
		module: "sigs.k8s.io/controller-runtime",
		dir:    "pkg/controller/priorityqueue",
		files:  []string{"priorityqueue_test.go", "priorityqueue_suite_test.go", "metrics_test.go"},
		shim:   "priorityqueue.go",
		specs:  "TestControllerWorkqueue",
	},
	// What is packed unless the options say otherwise.
	ctrlCache, ctrlCache.in(plain),
	clusterAPI.suite("core/reconcilers/machineset"),
	clusterAPI.suite("core/reconcilers/machinedeployment"),
	clusterAPI.suite("core/reconcilers/machinehealthcheck"),
	clusterAPI.suite("controllers/clustercache"),
}

// few are the packages of Kubernetes' controllers that are tested unless all are asked for.
var few = []string{"deployment", "replicaset", "job", "endpointslice", "garbagecollector"}

// choose returns the suites to run: those of a name out of all, if one is asked for.
func choose(ctx context.Context, opts options) ([]suite, error) {
	all, err := kubernetes.suites(ctx, controllers)
	if err != nil {
		return nil, err
	}
	isFew := func(s suite) bool { return slices.Contains(few, path.Base(s.dir)) && path.Dir(s.dir) == controllers }
	chosen := slices.Clone(suites)
	for _, s := range all {
		if opts.all || opts.only != "" || isFew(s) {
			chosen = append(chosen, s)
		}
	}
	return slices.DeleteFunc(chosen, func(s suite) bool { return !strings.Contains(s.name, opts.only) }), nil
}

// controllers is the folder of Kubernetes' controllers.
const controllers = "pkg/controller"

//go:embed shims
var shims embed.FS

// run makes the temporary module of a suite and runs the tests in it.
func (s suite) run(ctx context.Context, excluded exclusions, opts options) (result, error) {
	dir, err := os.MkdirTemp("", "larder-peers-")
	if err != nil {
		return result{}, err
	}
	if opts.keep {
		fmt.Println(s.name, "is in", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	if s.program != nil {
		return s.runProgram(ctx, dir, excluded, opts)
	}
	peerDir, err := s.writeModule(ctx, dir)
	if err != nil {
		return result{}, err
	}
	count, err := s.writeTests(filepath.Join(peerDir, filepath.FromSlash(s.dir)), dir, excluded)
	if err != nil {
		return result{}, err
	}
	r, err := s.test(ctx, dir, opts, ".")
	r.excluded = count
	return r, err
}

// writeTests writes the suite's tests and its shim into dir, and returns how many tests are left out.
func (s suite) writeTests(peerDir, dir string, excluded exclusions) (int, error) {
	shim, err := shims.ReadFile("shims/" + s.shim)
	if err != nil {
		return 0, err
	}
	rw, err := newRewriter(s.importPath(), cmp.Or(s.constructors, s.importPath()), peerDir, s.files, shim)
	if err != nil {
		return 0, err
	}
	files, count, err := rw.rewrite(excluded)
	if err != nil {
		return 0, err
	}
	files["shim_test.go"] = shim
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return 0, err
		}
	}
	return count, nil
}

func (s suite) importPath() string { return s.module + "/" + s.dir }
