package wire

// Cut returns the bytes of an object, which have to be ones that can be scanned and in no envelope, without its
// managedFields.
func Cut(bare []byte) []byte { return withoutManagedFields(bare, len(bare) > 0 && bare[0] == '{') }
