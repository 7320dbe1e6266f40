package lambda

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// checkBinary returns an error that says what to do when the file at path
// cannot run on this machine.
func checkBinary(path string) error {
	platform, err := binaryPlatform(path)
	here := runtime.GOOS + "/" + runtime.GOARCH
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no binary at %s: build the functions with `make build` (for this machine) or `sam build`", path)
	case err != nil:
		return fmt.Errorf("read binary: %w", err)
	case platform != "" && platform != here:
		return fmt.Errorf("%s is built for %s and this machine is %s: build for this one with `make build` "+
			"(CGO_ENABLED=0 GOOS=%s GOARCH=%s go build)", path, platform, here, runtime.GOOS, runtime.GOARCH)
	}
	return nil
}

// binaryPlatform returns GOOS/GOARCH of an executable as its header tells it,
// and nothing for a script or an unknown format.
func binaryPlatform(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%s is not an executable file", path)
	}
	magic := make([]byte, 4)
	if _, err := f.ReadAt(magic, 0); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if bytes.Equal(magic, []byte(elf.ELFMAG)) {
		file, err := elf.NewFile(f)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		switch file.Machine {
		case elf.EM_AARCH64:
			return "linux/arm64", nil
		case elf.EM_X86_64:
			return "linux/amd64", nil
		}
		return "linux/" + file.Machine.String(), nil
	}
	if file, err := macho.NewFile(f); err == nil {
		switch file.Cpu {
		case macho.CpuArm64:
			return "darwin/arm64", nil
		case macho.CpuAmd64:
			return "darwin/amd64", nil
		}
		return "darwin/" + file.Cpu.String(), nil
	}
	return "", nil
}
