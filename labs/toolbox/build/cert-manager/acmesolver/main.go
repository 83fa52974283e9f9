// Program acmesolver answers one HTTP-01 challenge (RFC 8555, 8.3): what cert-manager's solver pods run.
//
// Upstream's, whose module no proxy has, listens on every address; this one on the pod's where POD_IP says it, so that it
// also works where nodes cannot change what a program binds.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/cert-manager/cert-manager/pkg/util"
)

func main() {
	port := flag.Int("listen-port", 8089, "the port that is listened on")
	domain := flag.String("domain", "", "the name that is proved")
	token := flag.String("token", "", "the challenge's token")
	key := flag.String("key", "", "the challenge's key authorization")
	version := flag.Bool("version", false, "tell the version and end")
	flag.Parse()
	if *version {
		fmt.Println("acmesolver version:", util.AppVersion)
		return
	}
	answer := func(writer http.ResponseWriter, request *http.Request) {
		host, _, err := net.SplitHostPort(request.Host)
		if err != nil {
			host = request.Host
		}
		right := host == *domain && request.URL.Path == "/.well-known/acme-challenge/"+*token
		fmt.Println(request.Method, request.Host, request.URL.Path, "from", request.UserAgent(), "right:", right)
		if !right {
			http.NotFound(writer, request)
			return
		}
		fmt.Fprint(writer, *key)
	}
	server := &http.Server{
		Addr:              net.JoinHostPort(os.Getenv("POD_IP"), strconv.Itoa(*port)),
		Handler:           http.HandlerFunc(answer),
		ReadHeaderTimeout: 10 * time.Second,
	}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}
