# SPDX-License-Identifier: Apache-2.0
"""The rules of OpenAPI 3.0 as far as the description of BlockDB uses them: whether a description is
well-formed, and whether requests and answers are as it says, member by member. Schemas are taken
to be closed: a member that is not described is wrong, although clients must pass over those they do
not know."""
import json
import re

METHODS = ('get', 'put', 'post', 'delete')
OPERATION = {'operationId', 'summary', 'tags', 'parameters', 'requestBody', 'responses', 'security'}
SCHEMA = {'type', 'format', 'minimum', 'maximum', 'default', 'enum', 'items', 'maxItems', 'pattern',
          'properties', 'required', 'additionalProperties', 'allOf', 'oneOf', 'nullable',
          'description',
          'minLength', 'maxLength', '$ref'}
PARAMETER = {'name', 'in', 'required', 'description', 'schema'}
TIME = re.compile(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$')
TYPES = {'object': dict, 'array': list, 'string': str, 'boolean': bool}


class Wrong(Exception):
    """What is described, or answered, is not as it should be."""


def need(condition, where, what):
    if not condition:
        raise Wrong('%s: %s' % (where, what))


class Description:
    def __init__(self, text):
        self.doc = json.loads(text, object_pairs_hook=self._no_duplicates)
        self.templates = [(self._pattern(path), path) for path in self.doc['paths']]
        # What is literal goes before what is not.
        self.templates.sort(key=lambda t: (t[1].count('{'), -len(t[1])))

    @staticmethod
    def _no_duplicates(pairs):
        need(len(dict(pairs)) == len(pairs), 'description', 'a member is given twice')
        return dict(pairs)

    @staticmethod
    def _pattern(path):
        return re.compile('^' + re.sub(r'\\\{[^}]*\\\}', '.+', re.escape(path)) + '$')

    def resolve(self, node, where='$ref'):
        while '$ref' in node:
            target = self.doc
            for part in node['$ref'][2:].split('/'):
                need(part in target, where, node['$ref'] + ' leads nowhere')
                target = target[part]
            node = target
        return node

    # ---- The description itself -----------------------------------------------------------------

    def check(self):
        need(re.match(r'^3\.0\.\d+$', self.doc['openapi']), 'openapi', 'is no version 3.0')
        need(self.doc['info']['title'] and self.doc['info']['version'], 'info', 'is incomplete')
        ids = set()
        for path, item in self.doc['paths'].items():
            need(path.startswith('/'), path, 'does not begin with a slash')
            for method, operation in item.items():
                where = method + ' ' + path
                need(method in METHODS, where, 'is no method')
                self._check_operation(path, operation, where)
                need(operation['operationId'] not in ids, where, 'has an operationId of another')
                ids.add(operation['operationId'])
        for name, schema in self.doc['components']['schemas'].items():
            self._check_schema(schema, name)

    def _check_operation(self, path, operation, where):
        need(set(operation) <= OPERATION, where, 'has unknown members')
        need(operation.get('summary') and operation.get('responses'), where, 'is incomplete')
        known = {tag['name'] for tag in self.doc['tags']}
        need(set(operation['tags']) <= known, where, 'has an unknown tag')
        names = []
        for parameter in operation.get('parameters', []):
            parameter = self.resolve(parameter, where)
            need(set(parameter) <= PARAMETER, where, 'has a parameter with unknown members')
            need(parameter['in'] in ('path', 'query', 'header'), where, 'has a strange parameter')
            if parameter['in'] == 'path':
                need(parameter.get('required') is True, where, 'a path parameter is not required')
                names.append(parameter['name'])
            self._check_schema(parameter['schema'], where)
        need(sorted(names) == sorted(re.findall(r'\{([^}]*)\}', path)), where,
             'does not describe the parameters of its path')
        for status, response in operation['responses'].items():
            need(re.match(r'^([1-5]\d\d|default)$', status), where, 'has a strange status')
            response = self.resolve(response, where)
            need(response['description'], where, 'has a response without description')
            for content in response.get('content', {}).values():
                self._check_schema(content['schema'], where)
        if 'requestBody' in operation:
            for content in operation['requestBody']['content'].values():
                self._check_schema(content['schema'], where)

    def _check_schema(self, schema, where):
        need(set(schema) <= SCHEMA, where, 'has a schema with unknown members')
        if '$ref' in schema:
            self.resolve(schema, where)
            need(set(schema) == {'$ref'}, where, 'has members beside $ref')
            return
        need(schema.get('type') in (*TYPES, 'integer', 'number', None), where, 'has a strange type')
        need((schema.get('type') == 'array') == ('items' in schema), where, 'is a strange array')
        properties = schema.get('properties', {})
        need(set(schema.get('required', [])) <= set(properties), where, 'requires the unknown')
        more = schema.get('additionalProperties')
        parts = [more] if isinstance(more, dict) else []
        for kind in ('allOf', 'oneOf'):
            parts += schema.get(kind, [])
        for part in [*properties.values(), *parts]:
            self._check_schema(part, where)
        if 'items' in schema:
            self._check_schema(schema['items'], where)

    # ---- Answers --------------------------------------------------------------------------------

    def operation(self, method, path):
        path = path.partition('?')[0]
        for pattern, template in self.templates:
            if pattern.match(path) and method.lower() in self.doc['paths'][template]:
                return template, self.doc['paths'][template][method.lower()]
        return None, None

    def check_request(self, method, path, body):
        """Of a request that was carried out."""
        template, operation = self.operation(method, path)
        if operation is None:
            return
        where = '%s %s: request' % (method, path)
        need('requestBody' in operation, where, 'has a body that is not described')
        schema = operation['requestBody']['content']['application/json']['schema']
        self._check_value(json.loads(body), schema, where)

    def check_answer(self, method, path, status, content_type, body):
        template, operation = self.operation('GET' if method == 'HEAD' else method, path)
        if operation is None:
            return
        where = '%s %s: %d' % (method, path, status)
        responses = operation['responses']
        described = responses.get(str(status))
        if described is None:
            need(status >= 400, where, 'is not described')
            described = responses['default']
        described = self.resolve(described)
        if method == 'HEAD' or 'content' not in described:
            return
        media = content_type.partition(';')[0]
        need(media in described['content'], where, media + ' is not described')
        if media == 'application/json':
            self._check_value(json.loads(body), described['content'][media]['schema'], where)

    def _members(self, schema):
        """Names of all members that an object may have; None: any."""
        schema = self.resolve(schema)
        if 'additionalProperties' in schema and schema['additionalProperties'] is not False:
            return None
        names = set(schema.get('properties', {}))
        for part in schema.get('allOf', []):
            more = self._members(part)
            if more is None:
                return None
            names |= more
        return names if names or 'properties' in schema else None

    def _check_value(self, value, schema, where, is_part=False):
        schema = self.resolve(schema)
        if value is None and schema.get('nullable'):
            return
        for part in schema.get('allOf', []):
            self._check_value(value, part, where, True)
        if 'oneOf' in schema:
            self._check_one_of(value, schema['oneOf'], where)
            return
        self._check_type(value, schema.get('type'), where)
        need('enum' not in schema or value in schema['enum'], where, '%r is unexpected' % (value,))
        if isinstance(value, str):
            self._check_text(value, schema, where)
        elif isinstance(value, dict):
            self._check_object(value, schema, where, is_part)
        elif isinstance(value, list) and 'items' in schema:
            need(len(value) <= schema.get('maxItems', len(value)), where, 'has too many items')
            for item in value:
                self._check_value(item, schema['items'], where + '[]')
        elif not isinstance(value, bool) and value is not None:
            need(value >= schema.get('minimum', value), where, '%r is low' % (value,))
            need(value <= schema.get('maximum', value), where, '%r is high' % (value,))

    def _check_one_of(self, value, schemas, where):
        faults = []
        for part in schemas:
            try:
                self._check_value(value, part, where)
            except Wrong as fault:
                faults.append(str(fault))
        need(len(faults) == len(schemas) - 1, where, 'is not exactly one of these: ' + repr(faults))

    @staticmethod
    def _check_text(value, schema, where):
        need('pattern' not in schema or re.search(schema['pattern'], value), where,
             '%r has another form' % value)
        need(len(value) >= schema.get('minLength', 0), where, '%r is short' % value)
        need(len(value) <= schema.get('maxLength', len(value)), where, '%r is long' % value[:80])
        if schema.get('format') == 'date-time':
            need(TIME.match(value), where, '%r is no time' % value)

    def _check_object(self, value, schema, where, is_part):
        for name in schema.get('required', []):
            need(name in value, where, 'has no member ' + name)
        known = None if is_part else self._members(schema)
        for name, member in value.items():
            part = schema.get('properties', {}).get(name)
            need(known is None or name in known, where, 'member %s is not described' % name)
            more = schema.get('additionalProperties')
            if part is not None:
                self._check_value(member, part, where + '.' + name)
            elif isinstance(more, dict):
                self._check_value(member, more, where + '.' + name)

    @staticmethod
    def _check_type(value, kind, where):
        if kind in TYPES:
            need(isinstance(value, TYPES[kind]), where, '%r is no %s' % (value, kind))
        elif kind == 'integer':
            need(isinstance(value, int) and not isinstance(value, bool), where,
                 '%r is no integer' % (value,))
        elif kind == 'number':
            need(isinstance(value, (int, float)), where, '%r is no number' % (value,))
