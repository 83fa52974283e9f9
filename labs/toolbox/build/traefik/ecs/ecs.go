// Package ecs is Traefik's provider for Amazon ECS without what it does: the SDK of EC2 takes 2.5 GB to compile.
package ecs

import (
	"errors"

	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/safe"
)

// ProviderName is the provider's name.
const ProviderName = "ecs"

// Provider has no settings.
type Provider struct{}

// Init says that it is not there.
func (p *Provider) Init() error {
	return errors.New("this Traefik was built without the ECS provider")
}

// Provide provides nothing.
func (p *Provider) Provide(chan<- dynamic.Message, *safe.Pool) error {
	return nil
}
