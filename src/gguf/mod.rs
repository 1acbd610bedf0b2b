//! The GGUF container, versions 2 and 3: `magic, version, counts | metadata | tensor table | padding | tensor data`.
