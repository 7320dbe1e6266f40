package outside

import (
	"net/netip"
	"testing"
)

func TestIsPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "52.95.110.1": true, "99.255.255.255": true, "100.63.255.255": true, "100.128.0.0": true,
		"172.15.255.255": true, "172.32.0.0": true, "192.167.255.255": true, "198.17.255.255": true, "198.20.0.0": true,
		"2606:4700::1111": true, "2a00:1450::1": true, "::ffff:8.8.8.8": true,

		"0.0.0.0": false, "0.1.2.3": false, // this network
		"127.0.0.1": false, "127.255.255.255": false, "::1": false, "::": false, // this machine, and Lambda's own API
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.0.1": false, // private
		"100.64.0.1": false, "100.127.255.255": false, "100.100.100.200": false, // carriers' NAT, and a cloud's metadata
		"169.254.0.1": false, "169.254.169.254": false, "169.254.170.2": false, // link-local, metadata, credentials of containers
		"168.63.129.16": false, "192.0.0.192": false, // other clouds' metadata
		"192.0.0.1": false, "192.0.2.1": false, "198.51.100.1": false, "203.0.113.1": false, // protocols, documentation
		"198.18.0.1": false, "198.19.255.255": false, "192.88.99.1": false, // benchmarks, 6to4
		"224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false, // multicast, reserved, broadcast
		"fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "fc00::1": false, "fd00:ec2::254": false, "ff02::1": false, // local, metadata, multicast
		"2001:db8::1": false, "3fff::1": false, "2001::1": false, "2001:10::1": false, "100::1": false, // documentation, Teredo, ORCHID, discard
		"2002:7f00:1::": false, "64:ff9b::7f00:1": false, "64:ff9b:1::1": false, // IPv4 inside of IPv6
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false,
	} {
		if got := IsPublic(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	if IsPublic(netip.Addr{}) {
		t.Error("no address is public")
	}
}
