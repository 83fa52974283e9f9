// Program acme-authority: pebble, and the DNS in which it looks names up (challtestsrv's), in one process.
//
// Every name has the address 127.0.0.1, so that a challenge is asked of what listens on this machine's -http-port.  Each
// start makes a new root and forgets accounts and orders, as pebble does; its root is written where -root says.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

const retryAfter = 1 // seconds until a client asks for its authorization or order again

var version = "unset" // the linker says it

func main() {
	listen := flag.String("listen", "127.0.0.1:14000", "where ACME is spoken, with TLS: /dir")
	certificate := flag.String("certificate", "", "shown there")
	key := flag.String("key", "", "its key")
	names := flag.String("dns", "127.0.0.1:8053", "where its DNS listens")
	httpPort := flag.Int("http-port", 80, "where HTTP-01 challenges are asked for")
	root := flag.String("root", "root.pem", "the file for its root certificate")
	validity := flag.Duration("validity", 90*24*time.Hour, "how long a certificate is good")
	tell := flag.Bool("version", false, "tell the version and end")
	flag.Parse()
	if *tell {
		fmt.Println("pebble version:", version)
		return
	}
	logger := log.New(os.Stdout, "", log.LstdFlags)
	if err := run(logger, *listen, *certificate, *key, *names, *httpPort, *root, *validity); err != nil {
		logger.Fatal(err)
	}
}

func run(logger *log.Logger, listen, certificate, key, names string, httpPort int, root string, validity time.Duration) error {
	// pebble takes any profile for an order that names none, so there is one only
	profiles := map[string]ca.Profile{"classic": {Description: "The only one", ValidityPeriod: uint64(validity.Seconds())}}
	resolver, err := challtestsrv.New(challtestsrv.Config{DNSAddrs: []string{names}, Log: logger})
	if err != nil {
		return err
	}
	resolver.SetDefaultDNSIPv4("127.0.0.1")
	resolver.SetDefaultDNSIPv6("")
	resolver.Run()
	store := db.NewMemoryStore()
	authority := ca.New(logger, store, "", "ecdsa", 0, 1, profiles)
	if err := os.WriteFile(root, authority.GetRootCert(0).PEM(), 0o600); err != nil {
		return err
	}
	validation := va.New(logger, httpPort, 443, false, names, store)
	front := wfe.New(logger, store, validation, authority, []string{"ca.test"}, false, false, retryAfter, retryAfter)
	return http.ListenAndServeTLS(listen, certificate, key, front.Handler())
}
