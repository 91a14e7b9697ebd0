// kafkajs: topics, records with headers, a group, transactions, and its admin client. Prints a JSON object a line.
const { Kafka, logLevel, CompressionTypes } = require('kafkajs')

const say = (step, outcome = 'done') => console.log(JSON.stringify({ step, outcome: typeof outcome === 'string' ? outcome : JSON.stringify(outcome) }))
const attempt = async act => {
  try {
    return await act()
  } catch (error) {
    return error.type || error.name
  }
}

const topic = 'kafkajs'
const kafka = new Kafka({ clientId: 'kafkajs', brokers: [process.argv[2]], logLevel: logLevel.NOTHING })

async function consume(groupId, count, options = {}) {
  const consumer = kafka.consumer({ groupId, readUncommitted: options.readUncommitted ?? false })
  await consumer.connect()
  await consumer.subscribe({ topic: options.topic ?? topic, fromBeginning: true })
  const seen = []
  await new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error(`only ${seen.length} of ${count}`)), 30000)
    consumer.run({
      eachMessage: async ({ partition, message }) => {
        const headers = Object.entries(message.headers).map(([name, value]) => `${name}=${value}`)
        seen.push(`${partition} ${message.offset} ${message.key} ${message.value} ${headers}`)
        if (seen.length === count) {
          clearTimeout(timer)
          done()
        }
      }
    })
  })
  await consumer.disconnect()
  return seen.sort()
}

async function main() {
  const admin = kafka.admin()
  await admin.connect()
  say('create', await admin.createTopics({ topics: [{ topic, numPartitions: 2 }, { topic: 'moved-by-kafkajs', numPartitions: 1 }] }))
  say('create again', await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] }))
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (const [name, compression] of [['none', CompressionTypes.None], ['gzip', CompressionTypes.GZIP]]) {
    const messages = [...Array(30).keys()].map(n => ({ key: `key ${n % 5}`, value: `${name} ${n}`, headers: { n: `${n}` } }))
    const sent = await producer.send({ topic, acks: -1, compression, messages })
    say(`produce ${name}`, sent.map(s => `${s.partition} ${s.errorCode}`).sort())
  }
  await producer.disconnect()
  say('consume as a group', await consume('kafkajs', 60))
  const described = await admin.describeGroups(['kafkajs'])
  say('describe the group', described.groups.map(g => [g.groupId, g.state, g.errorCode]))
  say('list groups', (await admin.listGroups()).groups.filter(g => g.groupId === 'kafkajs'))
  await admin.resetOffsets({ groupId: 'kafkajs', topic, earliest: true })
  const offsets = await admin.fetchOffsets({ groupId: 'kafkajs', topics: [topic] })
  say('reset to earliest', offsets[0].partitions.map(p => `${p.partition} ${p.offset}`).sort())
  say('topic offsets', (await admin.fetchTopicOffsets(topic)).map(p => `${p.partition} ${p.low} ${p.high}`).sort())
  const writer = kafka.producer({ transactionalId: 'kafkajs-writer', idempotent: true, maxInFlightRequests: 1 })
  await writer.connect()
  for (const [value, commits] of [['kept', true], ['dropped', false], ['kept too', true]]) {
    const transaction = await writer.transaction()
    await transaction.send({ topic: 'moved-by-kafkajs', messages: [{ key: 'k', value }] })
    if (commits) await transaction.sendOffsets({ consumerGroupId: 'kafkajs-moved', topics: [{ topic, partitions: [{ partition: 0, offset: '9' }] }] })
    await (commits ? transaction.commit() : transaction.abort())
  }
  await writer.disconnect()
  const moved = await admin.fetchOffsets({ groupId: 'kafkajs-moved', topics: [topic] })
  say('offsets of a transaction', moved[0].partitions.map(p => `${p.partition} ${p.offset}`).sort())
  say('read committed', await consume('kafkajs-committed', 2, { topic: 'moved-by-kafkajs' }))
  const set = [{ type: 2, name: topic, configEntries: [{ name: 'retention.ms', value: '7200000' }] }]
  say('set a setting', (await admin.alterConfigs({ resources: set, validateOnly: false })).resources.map(r => r.errorCode))
  const settings = await admin.describeConfigs({ resources: [{ type: 2, name: topic, configNames: ['retention.ms', 'cleanup.policy'] }], includeSynonyms: false })
  say('describe settings', settings.resources[0].configEntries.map(c => `${c.configName}=${c.configValue}`).sort())
  say('more partitions', await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] }))
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] })
  say('delete records', (await admin.fetchTopicOffsets(topic)).map(p => `${p.partition} ${p.low} ${p.high}`).sort())
  // Added partitions are seen a moment later on a broker that hears of them from its controller.
  let partitions = []
  for (let tries = 0; tries < 100 && partitions.length < 3; tries++) {
    partitions = (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions
  }
  say('describe', partitions.length)
  const cluster = await admin.describeCluster()
  say('describe the cluster', [cluster.brokers.length, cluster.controller])
  say('delete groups', (await admin.deleteGroups(['kafkajs'])).map(g => g.errorCode))
  say('delete', (await attempt(() => admin.deleteTopics({ topics: [topic] }))) ?? 'done')
  say('delete again', (await attempt(() => admin.deleteTopics({ topics: [topic] }))) ?? 'done')
  await admin.disconnect()
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
