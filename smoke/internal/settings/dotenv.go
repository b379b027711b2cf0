package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/joho/godotenv"
)

// Load reads the .env file of dir, or else the one of the repository that dir
// lies in, lays the process environment over it, and parses the result.
func Load(dir string, getenv func(string) string, need Need) (Settings, error) {
	path, err := findEnvFile(dir)
	if err != nil {
		return Settings{}, err
	}
	var file map[string]string
	if path != "" {
		if file, err = godotenv.Read(path); err != nil {
			// The parser quotes the line it stumbled over, which may hold the
			// secret: name the file, and say what is usually wrong.
			return Settings{}, fmt.Errorf("%s cannot be read as a .env file: each line must be NAME=value, and a value with spaces or several lines must stand in double quotes", path)
		}
	}
	s, err := Parse(func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return file[name]
	}, need)
	s.EnvFile = path
	return s, err
}

// findEnvFile returns the path of the .env file in dir or in the root of the
// repository around it, or "" where there is none.
func findEnvFile(dir string) (string, error) {
	for first := true; ; first = false {
		if first || isRepositoryRoot(dir) {
			path := filepath.Join(dir, ".env")
			info, err := os.Stat(path)
			switch {
			case err == nil && !info.IsDir():
				return path, nil
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				return "", fmt.Errorf("looking for a .env file: %w", err)
			case isRepositoryRoot(dir):
				return "", nil
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", nil
		}
		dir = parent
	}
}

func isRepositoryRoot(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, ".git"))
	return err == nil
}
