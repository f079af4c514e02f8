package clientgo

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"k8s.io/client-go/tools/cache"
)

// handlerName returns what a handler is called in metrics and in logs: its type or,
// of one made of functions, where these are.
func handlerName(handler cache.ResourceEventHandler) string {
	switch h := handler.(type) {
	case cache.ResourceEventHandlerFuncs:
		return funcsName(handler, h.AddFunc, h.UpdateFunc, h.DeleteFunc)
	case cache.ResourceEventHandlerDetailedFuncs:
		return funcsName(handler, h.AddFunc, h.UpdateFunc, h.DeleteFunc)
	case *cache.ResourceEventHandlerFuncs:
		if h != nil {
			return handlerName(*h)
		}
	case *cache.ResourceEventHandlerDetailedFuncs:
		if h != nil {
			return handlerName(*h)
		}
	case cache.FilteringResourceEventHandler:
		return handlerName(h.Handler)
	}
	return fmt.Sprintf("%T", handler)
}

// funcsName returns the function or the type in which the first of fs is.
func funcsName(handler cache.ResourceEventHandler, fs ...any) string {
	for _, f := range fs {
		v := reflect.ValueOf(f)
		if v.IsNil() {
			continue
		}
		if fn := runtime.FuncForPC(v.Pointer()); fn != nil {
			name := fn.Name()
			if dot := strings.LastIndexByte(name, '.'); dot > 0 {
				name = name[:dot]
			}
			return name
		}
	}
	return fmt.Sprintf("%T", handler)
}
