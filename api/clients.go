package api

import (
	"net/http"

	"github.com/carrel-lms/carrel/clients"
	"github.com/carrel-lms/carrel/fault"
)

// clientModules are the modules that the server serves, by name.
var clientModules = []string{"instantsearch.js", "watermelon.js", "rxdb.js"}

// clientRoutes serves the modules that connect others' libraries with this server. Pages of any origin may load them.
func (a *API) clientRoutes() []route {
	var routes []route
	for _, name := range clientModules {
		routes = append(routes, route{method: http.MethodGet, path: "/clients/" + name, open: true, do: func(w http.ResponseWriter, r *http.Request) error {
			module, err := clients.Files.ReadFile(name)
			if err != nil {
				return fault.Wrap("api.clients", fault.NotFound, err)
			}
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
			return sendFile(w, r, "text/javascript; charset=utf-8", contentTag(module), module)
		}})
	}
	return routes
}
