let online = true;
Object.defineProperty(WorkerNavigator.prototype, 'onLine', { get: () => online });
new BroadcastChannel('connection').onmessage = ({ data }) => {
  online = data;
  dispatchEvent(new Event(online ? 'online' : 'offline'));
};
