package mongostore

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strings"
)

// refusedURI says why the driver does not take a URI. The driver quotes parts
// of it, which may be credentials: of its errors only those are shown that say
// what is wrong outside of the URI, and of the URI only what is no secret.
func refusedURI(uri string, err error) error {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		why := e.Err
		if e.IsTimeout {
			why = "it does not answer in time"
		}
		return fmt.Errorf("the DNS does not tell the servers of %s: %s", shown(uri, e.Name, "the host in the URI"), why)
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("the URI names a file that cannot be read, %s: %w", shown(uri, e.Path, "its name is not shown"), e.Err)
	}
	if !strings.ContainsAny(uri, "@?") {
		return err
	}
	if strings.Contains(err.Error(), "does not contain any valid certificates") {
		return errors.New("the CA file that the URI names has no certificate in it")
	}
	return errors.New("the URI is not valid (not shown, it may contain a password)")
}

// shown is a name that an error quotes, or instead if it may have come from the
// credentials of a URI that was put together badly: a password with a slash
// makes a host or a path of what follows it.
func shown(uri, name, instead string) string {
	_, rest, _ := strings.Cut(uri, "://")
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return name
	}
	secret := rest[:at]
	plain, err := url.PathUnescape(secret)
	if err != nil {
		return instead
	}
	for _, s := range []string{secret, plain} {
		if strings.ContainsAny(s, "/?") {
			return instead
		}
		_, password, _ := strings.Cut(s, ":")
		if password != "" && strings.Contains(name, password) {
			return instead
		}
	}
	return name
}
