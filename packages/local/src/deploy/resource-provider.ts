/** One resource of the stacks program, with its inputs resolved. `type` is Pulumi's, such as `aws:sqs/queue:Queue`. */
export interface ResourceRequest {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** The option `import`: the resource has to be there already and is taken up under this id instead of made. */
  readonly importId?: string;
}

export interface ResourceResult {
  readonly id: string;
  /** The output properties, on top of the inputs. */
  readonly state: Readonly<Record<string, unknown>>;
}

/** What stands in for Pulumi's engine: makes resources, looks them up and answers function calls. */
export interface ResourceProvider {
  create(request: ResourceRequest): Promise<ResourceResult>;
  /** `Role.get(name, id)`: a resource that the program only refers to. */
  read(request: ResourceRequest & { readonly id: string }): Promise<ResourceResult>;
  /** A provider function such as `aws:iam/getPolicyDocument:getPolicyDocument`. */
  call(token: string, inputs: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>>;
}

/** A resource as the program registered it. */
export interface StackResource {
  readonly type: string;
  /** Pulumi's logical name. */
  readonly name: string;
  readonly id: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** The logical name of the parent component; absent at the top of the stack. */
  readonly parent?: string;
  /** True for `Role.get(...)`: referred to, not managed. */
  readonly referenced: boolean;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly ignoreChanges: readonly string[];
  /** The physical id of the resource that is adopted instead of created. */
  readonly importId?: string;
  /** The ARN, where the resource has one. */
  readonly arn?: string;
}

export interface StackRun {
  readonly resources: readonly StackResource[];
  readonly outputs: Readonly<Record<string, unknown>>;
}
