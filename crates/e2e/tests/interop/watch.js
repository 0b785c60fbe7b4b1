// Asks and watches with @grpc/grpc-js and the definitions of grpc-health-check, and prints what it hears, a line each:
// watch.js ADDR SERVICE
const grpc = require('@grpc/grpc-js');
const { service: definition } = require('grpc-health-check');

const [addr, service] = process.argv.slice(2);
const Health = grpc.makeGenericClientConstructor(definition, 'Health');
const client = new Health(addr, grpc.credentials.createInsecure());

function check(name) {
  const deadline = Date.now() + 10000;
  return new Promise((resolve) => {
    client.check({ service: name }, { deadline }, (error, response) => {
      resolve(error ? grpc.status[error.code] : response.status);
    });
  });
}

async function main() {
  console.log(`check the server: ${await check('')}`);
  console.log(`check ${service}: ${await check(service)}`);
  const watch = client.watch({ service });
  watch.on('data', (response) => console.log(`watch: ${response.status}`));
  watch.on('error', () => {});
  watch.on('status', (status) => {
    console.log(`end: ${grpc.status[status.code]}`);
    client.close();
  });
}

main();
