package simulate

// mix64 scatters a number over all 64 bits (the finaliser of SplitMix64). It is
// one to one, so different numbers stay different.
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

const (
	hexDigits = "0123456789abcdef"
	base62    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	checksum  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
)

// appendSalesforceID appends the 18 characters of a Salesforce id: key prefix,
// instance, record number, and the three that make it safe where upper and
// lower case are the same.
func appendSalesforceID(b []byte, prefix string, n uint64) []byte {
	from := len(b)
	b = append(b, prefix...)
	b = append(b, "2x0"...)
	var digits [9]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base62[n%62]
		n /= 62
	}
	b = append(b, digits[:]...)
	return appendChecksum(b, from)
}

// appendChecksum appends the checksum of the 15 characters that begin at from:
// one character per five, whose bits say which of them are upper case.
func appendChecksum(b []byte, from int) []byte {
	for block := range 3 {
		bits := 0
		for i, ch := range b[from+block*5 : from+block*5+5] {
			if ch >= 'A' && ch <= 'Z' {
				bits |= 1 << i
			}
		}
		b = append(b, checksum[bits])
	}
	return b
}

// appendUUID appends a random-looking UUID (version 4) made of two numbers.
func appendUUID(b []byte, hi, lo uint64) []byte {
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			b = append(b, '-')
		}
		half := hi
		if i >= 16 {
			half = lo
		}
		b = append(b, hexDigits[half>>(60-i%16*4)&15])
	}
	return b
}

// appendHex appends the low digits of n in hexadecimal.
func appendHex(b []byte, n uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		b = append(b, hexDigits[n>>(i*4)&15])
	}
	return b
}

// appendKey appends 16 characters that name a session.
func appendKey(b []byte, n uint64) []byte {
	n2 := mix64(n)
	for i := range 16 {
		if i == 8 {
			n = n2
		}
		b = append(b, base62[n%62])
		n /= 62
	}
	return b
}
