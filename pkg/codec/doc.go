// Package codec packs values into a tenth of the memory or less, and back.
//
//	c, err := codec.New(codec.Options[*corev1.Pod]{})
//	packed, err := c.Encode(pod)
//	pod, err = c.Decode(packed)
//
// A [Codec] turns a value into its wire form, protobuf for the built-in types of Kubernetes and JSON for all
// others, and compresses that with a dictionary. Bytes that are in wire form already, as an API server sends
// them, go to the Codec's [Packer] without an object being made of them; [Codec.Decode] takes both.
//
// # Dictionaries
//
// Objects of one workload, such as the Pods of a ReplicaSet, differ in little more than their names and times.
// So the first of them serves as the dictionary of its siblings. It is kept packed too, with a common
// dictionary of samples of several workloads, with which objects without siblings are packed. [WorkloadOf] tells
// what is a sibling.
//
// When values become different, as in a roll-out, or a sample was a poor one from the start, a new one is tried
// on a few values beside the old one, and takes its place if that pays.
//
// # Memory
//
// A packed value refers to its dictionary. A dictionary that no value refers to any more is garbage, and is
// collected as such: nobody has to release anything. Dictionaries that are in use are unpacked and have the
// tables that an encoder needs; [PackerOptions] bounds what is spent on that. [Packer.Stats] has the figures.
//
// # Fidelity
//
// What is decoded is what an API client would have read from the wire form. With protobuf, an empty slice or map
// comes back as nil, and a time without its location. JSON keeps what encoding/json keeps, and integers apart
// from floating-point numbers, in unstructured objects too. What was packed in wire form can be unpacked byte for byte.
//
// # Errors
//
// Every unpacked value is checked against a hash of what was packed. Damaged data is [ErrCorrupt], and bytes that
// are not an object of the type are a [*DecodeError], never a panic.
package codec
