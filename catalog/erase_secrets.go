package catalog

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	stdsync "sync"
	"syscall"

	"github.com/carrel-lms/carrel/fault"
)

// The files in Config.Secrets. Backups leave them out: a backup that brought the list would be the older one of the two.
const (
	// saltFile holds the salt, in hexadecimal digits. Without it the list says nothing, and neither do the erasures in the log.
	saltFile = "learners.salt"
	// erasedFile is the list: one JSON object a line, appended and synced before the erasure is. A line whose erasure never reached the log is
	// carried out by the next Open: the learner had asked for it.
	erasedFile = "erased.jsonl"
	saltSize   = 32
	// idSize is how many bytes of a hash name a review: enough that no two collide.
	idSize = 16
)

// learnerState is what the catalog holds of its learners in memory: the salt, and a hash and a moment, twice, for each erased one: about 300 bytes, so
// that a hundred thousand erased accounts take 30 MB. Nothing else of a learner stays in memory.
type learnerState struct {
	*secrets
	flushing chan struct{} // held by the one who writes stats
}

// secrets are the salt and the list of the erased.
type secrets struct {
	salt []byte
	path string // of the list

	mu   stdsync.RWMutex
	list map[string]int64 // hash → unix seconds, what the file says
	gone map[string]int64 // the same as the log says: only what is committed refuses tokens
}

// erasedLine is a line of the list.
type erasedLine struct {
	Hash string `json:"hash"`
	At   int64  `json:"at"` // unix seconds
}

// openSecrets reads the files, and makes the salt when there is none.
func openSecrets(cfg Config) (*secrets, error) {
	const op = "catalog.Open"
	folder := cfg.Secrets
	if folder == "" {
		folder = filepath.Dir(cfg.Path)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fault.Wrap(op, fault.Internal, err)
	}
	s := &secrets{path: filepath.Join(folder, erasedFile), gone: map[string]int64{}}
	var err error
	if s.salt, err = readSalt(filepath.Join(folder, saltFile)); err != nil {
		return nil, err
	}
	s.list, err = readErased(s.path)
	return s, err
}

// readSalt reads the salt. A new one is written aside and renamed, so that a crash leaves none or all of it.
func readSalt(path string) ([]byte, error) {
	const op = "catalog.Open"
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the folder
	if errors.Is(err, fs.ErrNotExist) {
		salt := make([]byte, saltSize)
		rand.Read(salt)
		return salt, writeFile(path, []byte(hex.EncodeToString(salt)+"\n"))
	}
	if err != nil {
		return nil, fault.Wrap(op, fault.Internal, err)
	}
	salt, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(salt) != saltSize {
		return nil, fault.Wrap(op, fault.Corrupt, err).WithFix("%s is damaged: put the right one back; without it no erasure is known", path)
	}
	return salt, nil
}

// writeFile writes a small file, durably.
func writeFile(path string, data []byte) error {
	const op = "catalog.Open"
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // readable by its owner only
	if err != nil {
		return fault.Wrap(op, fault.Internal, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fault.Wrap(op, fault.Internal, errors.Join(err, os.Remove(f.Name())))
	}
	return syncFolder(path)
}

// syncFolder makes a name durable. Some systems cannot, and do not need it.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	d.Sync() //nolint:errcheck // see above
	return d.Close()
}

// readErased reads the list. A last line without its end was never acknowledged and is cut off; any other damage is an error, because a learner who
// is not found would come back.
func readErased(path string) (map[string]int64, error) {
	const op = "catalog.Open"
	list := map[string]int64{}
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the operator names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	if err != nil {
		return nil, fault.Wrap(op, fault.Internal, err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for whole := int64(0); ; {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				err = f.Truncate(whole)
			} else {
				err = nil
			}
			if err != nil {
				return nil, fault.Wrap(op, fault.Internal, err)
			}
			return list, nil
		}
		if err != nil {
			return nil, fault.Wrap(op, fault.Internal, err)
		}
		var l erasedLine
		if err := json.Unmarshal(line, &l); err != nil || l.Hash == "" {
			return nil, fault.Wrap(op, fault.Corrupt, err).WithFix("%s is damaged at byte %d: mend that line", path, whole)
		}
		list[l.Hash] = max(list[l.Hash], l.At)
		whole += int64(len(line))
	}
}

// hash names a learner without saying who.
func (s *secrets) hash(who LearnerID) string {
	return hex.EncodeToString(s.mac("learner", string(who)))
}

// reviewID names a review without saying whose. learner is as it stands in keys.
func (s *secrets) reviewID(learner string, id CourseID) string {
	return base64.RawURLEncoding.EncodeToString(s.mac("review", learner, string(id))[:idSize])
}

func (s *secrets) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, s.salt)
	io.WriteString(h, joinKey(parts...)) //nolint:errcheck // a hash takes everything
	return h.Sum(nil)
}

// erased reports whether a token is not newer than an erasure.
func (s *secrets) erased(who LearnerID, iat int64) bool {
	hash := s.hash(who)
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, ok := s.gone[hash]
	return ok && iat <= at
}

// note writes erasures into the list, durably, before they are appended to the log.
func (s *secrets) note(lines []erasedLine) error {
	const op = "catalog.Erase"
	if len(lines) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, l := range lines {
		if at, ok := s.list[l.Hash]; ok && at >= l.At {
			continue // a second attempt
		}
		if err := enc.Encode(l); err != nil {
			return fault.Wrap(op, fault.Internal, err)
		}
	}
	if b.Len() == 0 {
		return nil
	}
	if err := s.append(b.Bytes()); err != nil {
		code := fault.Internal
		if errors.Is(err, syscall.ENOSPC) {
			code = fault.DiskFull
		}
		return fault.Wrap(op, code, err).WithFix("%s cannot be written", s.path)
	}
	for _, l := range lines {
		s.list[l.Hash] = max(s.list[l.Hash], l.At)
	}
	return nil
}

// append adds lines to the file; what a failure left of them is cut off again.
func (s *secrets) append(lines []byte) (err error) {
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	_, err = f.Write(lines)
	if err = errors.Join(err, f.Sync()); err != nil {
		return errors.Join(err, f.Truncate(end))
	}
	if end == 0 {
		return syncFolder(s.path)
	}
	return nil
}

// remember makes committed erasures refuse tokens.
func (s *secrets) remember(lines ...erasedLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range lines {
		s.gone[l.Hash] = max(s.gone[l.Hash], l.At)
	}
}
