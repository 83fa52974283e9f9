// Package dns has no solver of DNS-01 challenges: they need the SDKs of a dozen vendors.
package dns

import (
	"context"
	"errors"

	cmacme "github.com/cert-manager/cert-manager/pkg/apis/acme/v1"
	cm "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/cert-manager/cert-manager/pkg/controller"
)

// Solver solves nothing.
type Solver struct{}

var errNone = errors.New("this cert-manager has no DNS-01 solver; use HTTP-01")

// NewSolver makes one.
func NewSolver(*controller.Context) (*Solver, error) { return &Solver{}, nil }

// Present fails.
func (*Solver) Present(context.Context, cm.GenericIssuer, *cmacme.Challenge) error { return errNone }

// Check fails.
func (*Solver) Check(context.Context, cm.GenericIssuer, *cmacme.Challenge) error { return errNone }

// CleanUp has nothing to do.
func (*Solver) CleanUp(context.Context, *cmacme.Challenge) error { return nil }
