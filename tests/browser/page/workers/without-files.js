delete StorageManager.prototype.getDirectory;
