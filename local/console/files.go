package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/tdewolff/minify/v2"
	"github.com/tdewolff/minify/v2/css"
	"github.com/tdewolff/minify/v2/js"
)

//go:embed assets
var embedded embed.FS

// assets are the files of the console as a static host serves them.
func assets() fs.FS {
	sub, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic(err) // the path is a constant
	}
	return sub
}

// media are the types of the files: those that the system knows may be others.
var media = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

// newMinifier returns what makes scripts and styles what browsers load: a fifth of them is
// comments, names and white space. Who wants no gzip gets them as they are written.
func newMinifier() *minify.M {
	m := minify.New()
	m.AddFunc(".js", js.Minify)
	m.AddFunc(".css", css.Minify)
	return m
}

// files serves them, compressed once.
type files map[string]file

type file struct {
	plain, packed []byte // packed is nil where it would not be smaller
	media, tag    string
}

func newFiles() files {
	all, m := files{}, newMinifier()
	err := fs.WalkDir(assets(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(assets(), name)
		if err != nil {
			return err
		}
		hash := sha256.Sum256(text)
		f := file{plain: text, media: media[path.Ext(name)], tag: base64.RawURLEncoding.EncodeToString(hash[:12])}
		if packed := pack(less(m, name, text)); len(packed) < len(text) {
			f.packed = packed
		}
		url := "/" + name
		if name == "index.html" {
			url = Path
		}
		all[url] = f
		return nil
	})
	if err != nil {
		panic(err) // they are in this binary
	}
	return all
}

// less is a file as a browser loads it: of ours without what only readers need. What is
// built elsewhere is small already, and is left as it is.
func less(m *minify.M, name string, text []byte) []byte {
	if strings.HasPrefix(name, "console/chat") || strings.HasPrefix(name, "console/vendor/") {
		return text
	}
	small, err := m.Bytes(path.Ext(name), bytes.Clone(text))
	if err != nil {
		return text // of another kind
	}
	return small
}

func pack(text []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	_, _ = w.Write(text) // a buffer never fails
	_ = w.Close()
	return b.Bytes()
}

// policy lets in what this server serves, and the WebSocket. An image of elsewhere is
// shown when somebody asks for it, and never before.
func policy(r *http.Request) string {
	connect := "'self'"
	if trusted(r) { // or the header would say what the request says
		connect += " ws://" + r.Host
		// Links to files have the address at which the server listens.
		if port, named := strings.CutPrefix(r.Host, "localhost:"); named {
			connect += " http://127.0.0.1:" + port
		}
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https: http:; media-src 'self' https: http:; connect-src " + connect +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}

func secure(w http.ResponseWriter, media string) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// ServeHTTP implements http.Handler.
func (all files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := all[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	secure(w, f.media)
	h := w.Header()
	h.Set("Content-Security-Policy", policy(r))
	h.Set("Cache-Control", "no-cache") // it is asked each time whether the tag is still that
	h.Set("Vary", "Accept-Encoding")
	body, tag := f.plain, f.tag
	if f.packed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body, tag = f.packed, f.tag+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	tag = `"` + tag + `"`
	h.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(body)
}
