// Package ext is what Traefik embeds in its dynamic configuration for extensions; Traefik itself has none.
package ext

// HTTP extends the HTTP configuration.
type HTTP struct{}

// Router extends a router.
type Router struct{}
