// Package docs shows the contract in a browser: the documents themselves, Swagger UI
// for REST, from which one can call, and a page of our own for the WebSocket.
//
// Everything comes from this binary, under a policy that allows nothing else: no CDN,
// no script in a page.
package docs

import (
	"compress/gzip"
	"embed"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strings"

	"github.com/swaggest/swgui/v5/static"

	"aiwm-chat/local/contract"
)

// Path is where the documentation begins.
const Path = "/docs"

//go:embed index.html rest.html rest.js style.css websocket.html
var own embed.FS

// Pages are those of the contract, by path; none where the routes are not those that
// it is of: another template is run.
func Pages(routes []string) map[string]http.Handler {
	if !contract.IsOf(routes) {
		return nil
	}
	return map[string]http.Handler{
		"/" + contract.OpenAPIName:  documentPage(func(d contract.Documents) []byte { return d.OpenAPI }),
		"/" + contract.AsyncAPIName: documentPage(func(d contract.Documents) []byte { return d.AsyncAPI }),
		Path:                        file(own, "index.html"),
		Path + "/rest":              file(own, "rest.html"),
		Path + "/rest.js":           file(own, "rest.js"),
		Path + "/style.css":         file(own, "style.css"),
		Path + "/websocket":         http.HandlerFunc(webSocketPage),
		Path + "/swagger-ui/":       http.HandlerFunc(swaggerUI),
	}
}

// policy lets in what this server serves. Swagger UI draws small pictures.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func secure(w http.ResponseWriter, media string) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
}

// here are the addresses by which the browser has come.
func here(r *http.Request) contract.Addresses {
	return contract.Addresses{REST: "http://" + r.Host, WebSocket: "ws://" + r.Host + "/ws"}
}

func documentPage(which func(contract.Documents) []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := contract.New(here(r))
		if err != nil {
			fail(w, r, err)
			return
		}
		secure(w, "application/json")
		_, _ = w.Write(which(d))
	})
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	slog.ErrorContext(r.Context(), "docs", "path", r.URL.Path, "err", err)
	http.Error(w, "the documentation cannot be made; the log says why", http.StatusInternalServerError)
}

// media are the types of what is served: those that the system knows may be others.
var media = map[string]string{".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".png": "image/png"}

func file(from fs.FS, name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := fs.ReadFile(from, name)
		if err != nil {
			fail(w, r, err)
			return
		}
		secure(w, media[path.Ext(name)])
		_, _ = w.Write(text)
	})
}

// swaggerUI serves the files of Swagger UI. They are kept compressed, and reach a
// browser like that.
func swaggerUI(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	kind := media[path.Ext(name)]
	if f, err := static.FS.Open(name); err == nil && kind != "" {
		defer f.Close()
		secure(w, kind)
		_, _ = io.Copy(w, f)
		return
	}
	f, err := static.FS.Open(name + ".gz")
	if err != nil || kind == "" {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	secure(w, kind)
	w.Header().Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.Copy(w, f)
		return
	}
	plain, err := gzip.NewReader(f)
	if err != nil {
		fail(w, r, err)
		return
	}
	_, _ = io.Copy(w, plain)
}
